"""Costs as sums over slots, and exact answers about all networks by eliminating one decision after another.

A table over few decisions is a factor. To eliminate a decision, all factors with it in their scope are joined, and
reduced over its choices (Dechter, "Bucket elimination", 1999): the minimum for the cheapest network, a sum of
exponentials for a distribution. Along a chain of stages the joined tables stay small.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proxyless.ops import LayerSpec
from proxyless.space.space import Space

Array = NDArray[np.float64]
Scope = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Factor:
    """What a few decisions cost together. scope: their indices, ascending. values: of the shape of their choices."""

    scope: Scope
    values: Array

    def cost(self, path: Sequence[int]) -> float:
        """Of one network, given as the index of the choice of every decision."""
        return float(self.values[tuple(path[decision] for decision in self.scope)])

    def choices(self, decision: int, probs: Sequence[Array]) -> Array:
        """Of every choice of a decision of the scope, on average over the others. probs: of every decision, those of
        its choices."""
        values = self.values
        for axis, other in reversed(list(enumerate(self.scope))):
            if other != decision:
                values = np.tensordot(values, probs[other], axes=(axis, 0))
        return np.asarray(values)

    def keeping(self, kept: Sequence[Sequence[int]]) -> "Factor":
        """With fewer choices. kept: of every decision of the space, the indices of those that stay."""
        return Factor(self.scope, self.values[np.ix_(*(kept[decision] for decision in self.scope))])


def space_factors(space: Space, cost: Callable[[LayerSpec], float]) -> tuple[float, tuple[Factor, ...]]:
    """What every network costs, and the rest: slots of one scope are one factor. No layer costs nothing."""
    constant, by_scope = 0.0, dict[Scope, Array]()
    tables = dict[int, Array]()
    for slot in space.slots:
        if id(slot) not in tables:  # the cells of a stage are one slot
            tables[id(slot)] = np.reshape([cost(spec) if spec else 0.0 for spec in slot.specs], slot.sizes)
        values = tables[id(slot)]
        if slot.is_fixed:
            constant += float(values.flat[0])
        else:
            by_scope[slot.scope] = by_scope.get(slot.scope, 0.0) + values
    return constant, tuple(Factor(scope, values) for scope, values in by_scope.items())


def row_factors(rows: Sequence[Sequence[float]]) -> tuple[Factor, ...]:
    """Of decisions that cost something each by itself: a number per decision and choice."""
    return tuple(Factor((number,), np.asarray(row, float)) for number, row in enumerate(rows))


class Step(NamedTuple):
    """An eliminated decision, the decisions that it depends on (ascending), and the joined table: (channels, choices of
    these ..., choices of its own)."""

    decision: int
    parents: Scope
    table: Array


Reduce = Callable[[Array], Array]
"""Over the last axis of (channels, ..., choices)."""


def eliminate(
    tables: Iterable[tuple[Scope, Array]],
    sizes: Sequence[int],
    reduce: Reduce,
    combine: np.ufunc = np.add,
    keep: int | None = None,
) -> tuple[Array, list[Step]]:
    """What remains when all decisions are eliminated (channels,), and the steps in their order.

    tables: scopes, and tables (channels, choices of the scope ...), of at least 0 for `np.maximum`.
    keep: a decision that is not eliminated: what remains is (channels, its choices).
    """
    left = list(tables)
    channels = len(left[0][1])
    steps = []
    for decision in _order(tuple(scope for scope, _ in left), tuple(sizes), keep):
        mine = [(scope, table) for scope, table in left if decision in scope]
        left = [(scope, table) for scope, table in left if decision not in scope]
        parents = tuple(sorted({d for scope, _ in mine for d in scope} - {decision}))
        joined = np.zeros((channels, *(sizes[d] for d in parents), sizes[decision]))
        for scope, table in mine:
            joined = combine(joined, _expanded(table, scope, (*parents, decision)))
        steps.append(Step(decision, parents, joined))
        left.append((parents, reduce(joined)))
    total = np.zeros(channels if keep is None else (channels, sizes[keep]))
    for scope, table in left:
        total = combine(total, table if scope or keep is None else table[:, None])
    return total, steps


def _expanded(table: Array, scope: Scope, wider: Scope) -> Array:
    """With an axis of one for every decision of `wider` that is not in the scope."""
    order = sorted(range(len(scope)), key=lambda place: wider.index(scope[place]))
    turned = table.transpose(0, *(1 + place for place in order))
    sizes = dict(zip((scope[place] for place in order), turned.shape[1:], strict=True))
    return turned.reshape(len(table), *(sizes.get(decision, 1) for decision in wider))


@cache
def _order(scopes: tuple[Scope, ...], sizes: tuple[int, ...], keep: int | None) -> tuple[int, ...]:
    """All decisions but one to keep, each time the one whose joined table is the smallest."""
    near: list[set[int]] = [{decision} for decision in range(len(sizes))]
    for scope in scopes:
        for decision in scope:
            near[decision] |= set(scope)
    waiting = set(range(len(sizes))) - {keep}
    joined = {decision: prod(sizes[each] for each in near[decision]) for decision in waiting}
    order = []
    while waiting:
        best = min(waiting, key=lambda decision: (joined[decision], decision))
        waiting.remove(best)
        order.append(best)
        others = near[best] - {best}
        for decision in others:
            near[decision] = (near[decision] | others) - {best}
            joined[decision] = prod(sizes[each] for each in near[decision])
    return tuple(order)


def least_by_choice(factors: Sequence[Factor], sizes: Sequence[int], decision: int) -> Array:
    """The smallest sum of all networks with each choice of a decision."""
    if all(len(factor.scope) == 1 for factor in factors if decision in factor.scope):
        mine = [factor.values for factor in factors if decision in factor.scope]
        row: Array = np.sum([np.zeros(sizes[decision]), *mine], axis=0)
        return np.asarray(row - row.min()) + sum(factor.cost(cheapest_path(factors, sizes)) for factor in factors)
    tables = [(factor.scope, factor.values[None]) for factor in factors]
    total, _ = eliminate(tables, sizes, _least, keep=decision)
    return np.asarray(total[0])


def _least(table: Array) -> Array:
    return np.asarray(table.min(-1))


def cheapest_path(factors: Sequence[Factor], sizes: Sequence[int], combine: np.ufunc = np.add) -> list[int]:
    """The network of the smallest sum, or of the smallest maximum: the index of the choice of every decision."""
    tables = [(factor.scope, factor.values[None]) for factor in factors]
    path = [0] * len(sizes)
    if tables:
        _, steps = eliminate(tables, sizes, _least, combine)
        for step in reversed(steps):
            row = step.table[0][tuple(path[parent] for parent in step.parents)]
            path[step.decision] = int(row.argmin())
    return path


def dearest_path(factors: Sequence[Factor], sizes: Sequence[int]) -> list[int]:
    """The network of the largest sum."""
    return cheapest_path([Factor(factor.scope, -factor.values) for factor in factors], sizes)
