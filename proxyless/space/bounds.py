"""Limits that a network must keep: sums over its layers of milliseconds, parameters or multiply-accumulates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxyless.errors import InputError
from proxyless.ops.cost import Cost, layer_cost, network_cost
from proxyless.space.latency import LayerCosts
from proxyless.space.space import Space

FILL = 0.97
"""Share of a bound that a network should use: with a margin of 2 %, 95 % of a latency budget."""


@dataclass(frozen=True)
class Bound:
    """`constant + sum_l layers[l][a_l] <= limit` for the network that chooses operation `a_l` in layer `l`.

    name: what is limited, for messages and logs. unit: of all numbers.
    layers: per searched layer, per operation in the order of the layer's `ops`.
    least: a network should cost at least so much of one of its bounds, where there is such a network: allowances
        that are all unused are accuracy given away.
    """

    name: str
    unit: str
    constant: float
    layers: tuple[tuple[float, ...], ...]
    limit: float
    least: float = 0.0

    def cost(self, path: Sequence[int]) -> float:
        """Cost of one network, given as the index of the operation in each layer."""
        return self.constant + sum(costs[op] for costs, op in zip(self.layers, path, strict=True))

    @property
    def min_cost(self) -> float:
        return self.constant + sum(min(costs) for costs in self.layers)

    @property
    def max_cost(self) -> float:
        return self.constant + sum(max(costs) for costs in self.layers)

    def __str__(self) -> str:
        return f"{self.name} of at most {self.limit:.4g} {self.unit}".rstrip()


def keeps(path: Sequence[int], bounds: Sequence[Bound]) -> bool:
    """Whether a network keeps all bounds."""
    return all(bound.cost(path) <= bound.limit for bound in bounds)


def latency_bound(costs: LayerCosts, budget_ms: float, name: str = "latency") -> Bound:
    """Predicted milliseconds, with the table's margin to spare.

    Raises:
        InputError: no network fits the budget.
    """
    costs.check_budget(budget_ms)
    limit_ms = costs.bound_ms(budget_ms)
    return Bound(name, "ms", costs.constant_ms, costs.layers_ms, limit_ms, FILL * limit_ms)


def params_bound(space: Space, limit: float) -> Bound:
    """Trainable parameters.

    Raises:
        InputError: every network has more.
    """
    return _counted(space, "parameters", lambda cost: cost.params, limit)


def macs_bound(space: Space, limit: float) -> Bound:
    """Multiply-accumulates for one image.

    Raises:
        InputError: every network has more.
    """
    return _counted(space, "MACs", lambda cost: cost.macs, limit)


def _counted(space: Space, name: str, count: Callable[[Cost], int], limit: float) -> Bound:
    layers = tuple(
        tuple(float(count(layer_cost(spec))) if (spec := layer.spec(op)) else 0.0 for op in layer.ops)
        for layer in space.layers
    )
    bound = Bound(name, "", float(count(network_cost(space.fixed))), layers, limit, FILL * limit)
    if bound.min_cost > limit:
        raise InputError(
            f"no network of the space has at most {limit:,.0f} {name}: they have from {bound.min_cost:,.0f} to "
            f"{bound.max_cost:,.0f}; ask for more"
        )
    return bound
