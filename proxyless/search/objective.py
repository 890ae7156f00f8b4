"""What the architecture minimises beside the classification loss."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from proxyless.errors import InputError


class Objective(Protocol):
    """The latency term of the architecture's loss; built with the bound in milliseconds."""

    def penalty(self, expected_ms: Tensor) -> Tensor:
        """The term to add to the loss of an architecture step."""

    def update(self, expected_ms: float) -> None:
        """Called after every architecture step, with the expectation before it."""

    @property
    def strength(self) -> float:
        """How hard the term pushes, for the log."""

    def state_dict(self) -> dict[str, float]:
        """What a resumed search needs."""

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up a saved state."""


class ConstrainedLatency:
    """`lambda (E/T - 1)`, with `lambda >= 0` found by dual ascent so that E <= T holds at the end.

    The multiplier that acts is `lambda` plus a damping proportional to the violation, which keeps dual
    ascent from oscillating (Platt and Barr, "Constrained differential optimization", NIPS 1987).
    E/T is a ratio: the unit of time does not matter.
    """

    def __init__(self, bound_ms: float, rate: float = 0.05, damping: float = 5.0) -> None:
        self.bound_ms, self.rate, self.damping = bound_ms, rate, damping
        self.multiplier = 0.0

    def penalty(self, expected_ms: Tensor) -> Tensor:
        """The term to add to the loss."""
        violation = expected_ms / self.bound_ms - 1
        acting = max(0.0, self.multiplier + self.damping * float(violation.detach()))
        return acting * violation

    def update(self, expected_ms: float) -> None:
        """One step of dual ascent, after an architecture step."""
        self.multiplier = max(0.0, self.multiplier + self.rate * (expected_ms / self.bound_ms - 1))

    @property
    def strength(self) -> float:
        return self.multiplier

    def state_dict(self) -> dict[str, float]:
        return {"multiplier": self.multiplier}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.multiplier = state["multiplier"]


OBJECTIVES: dict[str, Callable[[float], Objective]] = {"constrained": ConstrainedLatency}


def find_objective(name: str) -> Callable[[float], Objective]:
    """The objective of that name, to be built with the bound in milliseconds.

    Raises:
        InputError: there is none.
    """
    if name not in OBJECTIVES:
        raise InputError(f"unknown objective {name!r}; choose of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]
