"""The published losses, whose penalty has a strength that the user chooses."""

import math
from collections.abc import Sequence

from torch import Tensor

from proxyless.errors import InputError
from proxyless.search.objectives.base import Objective
from proxyless.space.bounds import Bound


class FixedPenalty(Objective):
    """A loss with one strength for all bounds."""

    allowances_are_used = False
    default_penalty: float

    def __init__(self, bounds: Sequence[Bound], penalty: float | None = None) -> None:
        super().__init__(bounds)
        self.penalty = self.default_penalty if penalty is None else penalty
        if self.penalty < 0:
            raise InputError(f"the penalty must be at least 0, got {self.penalty:g}")

    @property
    def strengths(self) -> list[float]:
        return [self.penalty] * len(self.bounds)


class AddLinear(FixedPenalty):
    """`L + w sum_i (E_i/T_i - 1)` (Cai et al. 2019, equation 3, relative to the budget)."""

    default_penalty = 0.1

    def total(self, loss: Tensor, ratios: Tensor) -> Tensor:
        return loss + self.penalty * (ratios - 1).sum()


class MulRatio(FixedPenalty):
    """`L prod_i (E_i/T_i)^w` (Tan et al., "MnasNet", CVPR 2019, equation 2, for a loss)."""

    default_penalty = 0.07

    def total(self, loss: Tensor, ratios: Tensor) -> Tensor:
        return loss * ratios.pow(self.penalty).prod()


class MulLog(FixedPenalty):
    """`L prod_i (ln E_i / ln T_i)^w` (reference code of Cai et al. 2019), in the unit of the bound.

    Unlike the others it depends on the unit, and it is not defined where a logarithm is not positive.
    """

    default_penalty = 0.3

    def __init__(self, bounds: Sequence[Bound], penalty: float | None = None) -> None:
        super().__init__(bounds, penalty)
        for bound in bounds:
            if bound.min_cost <= 1 or bound.limit <= 1:
                smallest = min(bound.min_cost, bound.limit)
                raise InputError(
                    f"the objective 'mul-log' takes the logarithm of the {bound.name}, which must be more than 1 "
                    f"{bound.unit} everywhere, got {smallest:.4g}; choose mul-ratio"
                )

    def total(self, loss: Tensor, ratios: Tensor) -> Tensor:
        for ratio, bound in zip(ratios.unbind(), self.bounds, strict=True):
            loss = loss * (1 + ratio.log() / math.log(bound.limit)).pow(self.penalty)
        return loss
