"""Objectives: how cost enters the loss of the architecture. A new one is a class and a line in `OBJECTIVES`."""

from proxyless.errors import find_by_name
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
    return find_by_name("objective", name, OBJECTIVES)


__all__ = ["OBJECTIVES", "Objective", "find_objective"]
