"""Search strategies: one file each, and a line in `STRATEGIES`."""

from proxyless.errors import InputError
from proxyless.search.strategies.base import Forward, StepResult, Strategy
from proxyless.search.strategies.gradient import GradientStrategy

STRATEGIES: dict[str, type[Strategy]] = {"gradient": GradientStrategy}


def find_strategy(name: str) -> type[Strategy]:
    """The strategy of that name.

    Raises:
        InputError: there is none.
    """
    if name not in STRATEGIES:
        raise InputError(f"unknown strategy {name!r}; choose of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


__all__ = ["STRATEGIES", "Forward", "StepResult", "Strategy", "find_strategy"]
