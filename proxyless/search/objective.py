"""What the architecture minimises beside the classification loss."""

from torch import Tensor


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

    def state_dict(self) -> dict[str, float]:
        return {"multiplier": self.multiplier}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.multiplier = state["multiplier"]
