"""Limits that a network must keep: sums over its layers of milliseconds, parameters or multiply-accumulates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from proxyless.errors import InputError
from proxyless.ops import LayerSpec
from proxyless.ops.cost import layer_cost
from proxyless.space.factors import Array, Factor, cheapest_path, dearest_path, row_factors, space_factors
from proxyless.space.latency import LayerCosts
from proxyless.space.space import Space

FILL = 0.97
"""Share of a bound that a network should use: with a margin of 2 %, 95 % of a latency budget."""


@dataclass(frozen=True, eq=False)
class Bound:
    """`constant + sum_f factors[f](choices of its scope) <= limit`.

    name: what is limited, for messages and logs. unit: of all numbers. sizes: number of choices of every decision.
    least: a network should cost at least so much of one of its bounds, where there is such a network: allowances
        that are all unused are accuracy given away.
    """

    name: str
    unit: str
    constant: float
    sizes: tuple[int, ...]
    factors: tuple[Factor, ...]
    limit: float
    least: float = 0.0

    @staticmethod
    def of_rows(
        name: str, unit: str, constant: float, rows: Sequence[Sequence[float]], limit: float, least: float = 0.0
    ) -> "Bound":
        """Where every decision costs something by itself: a number per decision and choice."""
        return Bound(name, unit, constant, tuple(map(len, rows)), row_factors(rows), limit, least)

    def cost(self, path: Sequence[int]) -> float:
        """Cost of one network, given as the index of the choice of every decision."""
        return self.constant + sum(factor.cost(path) for factor in self.factors)

    def choices(self, decision: int, probs: Sequence[Array]) -> list[float]:
        """What the layers that a decision has a say in cost with every choice of it, on average over the other
        decisions. probs: of every decision, the probabilities of its choices."""
        mine = [factor.choices(decision, probs) for factor in self.factors if decision in factor.scope]
        total: Array = np.sum(mine, axis=0) if mine else np.zeros(self.sizes[decision])
        return [float(value) for value in total]

    @cached_property
    def min_cost(self) -> float:
        return self.cost(cheapest_path(self.factors, self.sizes))

    @cached_property
    def max_cost(self) -> float:
        return self.cost(dearest_path(self.factors, self.sizes))

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
    return Bound(name, "ms", costs.constant_ms, costs.sizes, costs.factors, limit_ms, FILL * limit_ms)


def params_bound(space: Space, limit: float) -> Bound:
    """Trainable parameters.

    Raises:
        InputError: every network has more.
    """
    return _counted(space, "parameters", lambda spec: layer_cost(spec).params, limit)


def macs_bound(space: Space, limit: float) -> Bound:
    """Multiply-accumulates for one image.

    Raises:
        InputError: every network has more.
    """
    return _counted(space, "MACs", lambda spec: layer_cost(spec).macs, limit)


def _counted(space: Space, name: str, count: Callable[[LayerSpec], int], limit: float) -> Bound:
    constant, factors = space_factors(space, count)
    bound = Bound(name, "", constant, space.sizes, factors, limit, FILL * limit)
    if bound.min_cost > limit:
        raise InputError(
            f"no network of the space has at most {limit:,.0f} {name}: they have from {bound.min_cost:,.0f} to "
            f"{bound.max_cost:,.0f}; ask for more"
        )
    return bound
