"""What the search knows of latency: a constant plus milliseconds that depend on the choices of few decisions each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from proxyless.errors import InputError
from proxyless.space.factors import Factor, cheapest_path, dearest_path


@dataclass(frozen=True, eq=False)
class LayerCosts:
    """Additive cost model of a space on one target.

    constant_ms: of the layers that every network has, and of calling the runtime.
    sizes: number of choices of every decision. factors: milliseconds.
    margin: relative error to expect of a prediction; a budget is kept with this much to spare.
    """

    constant_ms: float
    sizes: tuple[int, ...]
    factors: tuple[Factor, ...]
    margin: float = 0.0

    def ms(self, path: Sequence[int]) -> float:
        """Of one network, given as the index of the choice of every decision."""
        return self.constant_ms + sum(factor.cost(path) for factor in self.factors)

    @cached_property
    def min_ms(self) -> float:
        return self.ms(cheapest_path(self.factors, self.sizes))

    @cached_property
    def max_ms(self) -> float:
        return self.ms(dearest_path(self.factors, self.sizes))

    @property
    def mean_ms(self) -> float:
        """Expectation over uniformly random networks."""
        return self.constant_ms + sum(float(factor.values.mean()) for factor in self.factors)

    def restricted(self, kept: Sequence[Sequence[int]]) -> "LayerCosts":
        """With fewer choices. kept: of every decision, the indices of those that stay."""
        sizes = tuple(map(len, kept))
        return replace(self, sizes=sizes, factors=tuple(factor.keeping(kept) for factor in self.factors))

    def bound_ms(self, budget_ms: float) -> float:
        """What the prediction may be at most, for the measurement to stay within the budget."""
        return budget_ms * (1 - self.margin)

    def check_budget(self, budget_ms: float) -> None:
        """Raise InputError, with the range of the space, when no network can fit the budget."""
        if not budget_ms > 0:
            raise InputError(f"the budget must be more than 0 ms, got {budget_ms:g}")
        if self.min_ms > self.bound_ms(budget_ms):
            spare = f" with the margin of {self.margin:.1%}" if self.margin else ""
            enough_ms = 1.0005 * self.min_ms / (1 - self.margin)  # above the bound also when printed with 4 digits
            raise InputError(
                f"no network of the space fits {budget_ms:.4g} ms{spare}: predicted latencies go from "
                f"{self.min_ms:.4g} (smallest) over {self.mean_ms:.4g} (typical) to {self.max_ms:.4g} ms (largest); "
                f"ask for at least {enough_ms:.4g} ms"
            )
