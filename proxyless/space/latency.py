"""What the search knows of latency: a constant plus a number of milliseconds per layer and operation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxyless.errors import InputError


@dataclass(frozen=True)
class LayerCosts:
    """Additive cost model of a space on one target.

    constant_ms: of the layers that every network has, and of calling the runtime.
    layers_ms: per searched layer, per operation in the order of the layer's `ops`.
    margin: relative error to expect of a prediction; a budget is kept with this much to spare.
    """

    constant_ms: float
    layers_ms: tuple[tuple[float, ...], ...]
    margin: float = 0.0

    @property
    def min_ms(self) -> float:
        return self.constant_ms + sum(min(costs) for costs in self.layers_ms)

    @property
    def max_ms(self) -> float:
        return self.constant_ms + sum(max(costs) for costs in self.layers_ms)

    @property
    def mean_ms(self) -> float:
        """Expectation over uniformly random networks."""
        return self.constant_ms + sum(sum(costs) / len(costs) for costs in self.layers_ms)

    def restricted(self, kept: Sequence[Sequence[bool]]) -> "LayerCosts":
        """Of the operations that are kept: per layer, whether it is, in the order of these costs."""
        layers_ms = tuple(
            tuple(ms for ms, keep in zip(row, keeps, strict=True) if keep)
            for row, keeps in zip(self.layers_ms, kept, strict=True)
        )
        return replace(self, layers_ms=layers_ms)

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
