"""Objectives: how cost enters the loss of the architecture. A new one is a class and a line in `OBJECTIVES`."""

from proxyless.errors import InputError
from proxyless.search.objectives.base import Objective
from proxyless.search.objectives.constrained import Constrained
from proxyless.search.objectives.fixed import AddLinear, MulLog, MulRatio

OBJECTIVES: dict[str, type[Objective]] = {
    "constrained": Constrained,
    "add-linear": AddLinear,
    "mul-log": MulLog,
    "mul-ratio": MulRatio,
}


def find_objective(name: str) -> type[Objective]:
    """The objective of that name.

    Raises:
        InputError: there is none.
    """
    if name not in OBJECTIVES:
        raise InputError(f"unknown objective {name!r}; choose of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]


__all__ = ["OBJECTIVES", "Objective", "find_objective"]
