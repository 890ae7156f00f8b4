"""Bounds as constraints: the multipliers are found, not tuned."""

from collections.abc import Sequence

from torch import Tensor

from proxyless.errors import InputError
from proxyless.search.objectives.base import Objective
from proxyless.space.bounds import Bound

MAX_MULTIPLIER = 100.0
"""A multiplier that reaches this does not help: the architecture cannot follow."""


class Constrained(Objective):
    """`L + sum_i lambda_i (E_i/T_i - 1)`, with `lambda >= 0` found by dual ascent so that E <= T holds at the end.

    The multiplier that acts is `lambda` plus a damping proportional to the violation, which keeps dual
    ascent from oscillating (Platt and Barr, "Constrained differential optimization", NIPS 1987). `lambda` rises at a
    speed in proportion to that of the logits: while they are on their way to the budget it would else grow far above
    what holds them there, and layers would be decided by cost alone until it has fallen again.
    """

    allowances_are_used = True

    def __init__(
        self, bounds: Sequence[Bound], penalty: float | None = None, rate: float = 0.2, damping: float = 10.0
    ) -> None:
        if penalty is not None:
            raise InputError(
                f"the objective 'constrained' finds its multipliers itself, it has no penalty of {penalty:g}; leave "
                "the penalty out, or choose another objective"
            )
        super().__init__(bounds)
        self.rate, self.damping = rate, damping
        self.multipliers = [0.0] * len(self.bounds)

    def total(self, loss: Tensor, ratios: Tensor) -> Tensor:
        for ratio, multiplier in zip(ratios.unbind(), self.multipliers, strict=True):
            acting = (multiplier + self.damping * (ratio.detach() - 1)).clamp_min(0)
            loss = loss + acting * (ratio - 1)
        return loss

    def update(self, ratios: Sequence[float], logit_speed: float) -> None:
        """One step of dual ascent."""
        self.multipliers = [
            min(MAX_MULTIPLIER, max(0.0, multiplier + self.rate * logit_speed * (ratio - 1)))
            for multiplier, ratio in zip(self.multipliers, ratios, strict=True)
        ]

    @property
    def strengths(self) -> list[float]:
        return list(self.multipliers)

    def state_dict(self) -> dict[str, list[float]]:
        return {"multipliers": self.strengths}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        self.multipliers = list(state["multipliers"])
