"""Random networks whose probability depends on what they cost alone, drawn exactly from a space of any wiring."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from proxyless.space.factors import Array, Scope, Step, eliminate

Ints = NDArray[np.int64]

_STEEPEST = 1000.0


@dataclass(frozen=True, eq=False)
class Energies:
    """Costs relative to what each bound leaves: scopes, and tables (bounds, choices of the scope ...), infinite where a
    combination is impossible. sizes: number of choices of every decision. least: the cost of the cheapest network
    (bounds,)."""

    tables: Sequence[tuple[Scope, Array]]
    sizes: Sequence[int]
    least: Array

    def solved(self, exponents: Array) -> tuple[float, Array, list[Step]]:
        """Of the distribution proportional to `exp(-sum_b t_b cost_b)`: the log of its sum, its expected costs, and the
        steps that drawing from it takes; costs are those beyond the cheapest network's."""
        weighed = [(scope, _weighed(table, exponents)) for scope, table in self.tables]
        (log_sum, *expected), steps = eliminate(weighed, self.sizes, _summed)
        return float(log_sum), np.asarray(expected) - self.least, steps

    def tilt(self, share: float, least: Sequence[float]) -> "Tilted":
        """The distribution whose expected cost is that share of every bound that binds. Its exponents `t_b >= least_b`
        minimise the convex dual of maximal entropy, whose gradient is what is left of each bound on average."""

        def dual(exponents: Array) -> tuple[float, Array]:
            log_sum, used, _ = self.solved(exponents)
            return log_sum + float(((share + self.least) * exponents).sum()), share - used

        limits = [(low, _STEEPEST) for low in least]
        answer = minimize(dual, np.zeros(len(least)), jac=True, method="L-BFGS-B", bounds=limits)
        _, used, steps = self.solved(answer.x)
        return Tilted(steps, used)


def _weighed(table: Array, exponents: Array) -> Array:
    """(1 + bounds, ...): the logarithm of the weight, then the costs, of no matter where the weight is zero."""
    possible = np.isfinite(table).all(0)
    costs = np.where(possible, table, 0.0)
    return np.concatenate([np.where(possible, -np.tensordot(exponents, costs, axes=1), -np.inf)[None], costs])


def _summed(table: Array) -> Array:
    """The weights summed, in logarithms, and the costs averaged by them, over the last axis."""
    weights = table[0]
    most = weights.max(-1, keepdims=True)
    parts = np.exp(weights - np.where(np.isfinite(most), most, 0.0))
    total = parts.sum(-1)
    with np.errstate(divide="ignore"):
        log_sum = np.log(total) + most[..., 0]
    averages = (parts * table[1:]).sum(-1) / np.maximum(total, 1e-300)
    return np.concatenate([log_sum[None], averages])


class _Level:
    """Decisions that depend on none of each other, drawn together. chances: (rows, most choices), summed up from the
    first choice on; a row for every combination of a decision's parents."""

    def __init__(self, steps: Sequence[Step]) -> None:
        most = max(step.table.shape[-1] for step in steps)
        widest = max(len(step.parents) for step in steps)
        self.decisions = np.array([step.decision for step in steps])
        self.parents = np.zeros((len(steps), widest), int)
        self.strides = np.zeros((len(steps), widest), int)
        rows = [_chances(step.table[0]) for step in steps]
        self.starts = np.cumsum([0, *map(len, rows)])[:-1]
        self.chances = np.concatenate([np.pad(row, ((0, 0), (0, most - row.shape[1])), mode="edge") for row in rows])
        for number, step in enumerate(steps):
            count = len(step.parents)
            self.parents[number, :count] = step.parents
            sizes = step.table.shape[1:-1]
            self.strides[number, :count] = [int(np.prod(sizes[place + 1 :])) for place in range(count)]

    def draw(self, paths: Ints, rng: np.random.Generator) -> None:
        rows = self.starts + (paths[:, self.parents] * self.strides).sum(2)
        chances = self.chances[rows]
        drawn = rng.random((*rows.shape, 1)) * chances[..., -1:]
        paths[:, self.decisions] = (chances <= drawn).sum(2)


def _chances(weights: Array) -> Array:
    """(rows, choices) of logarithms (parents ..., choices), summed up."""
    rows = weights.reshape(-1, weights.shape[-1])
    most = rows.max(1, keepdims=True)
    return np.cumsum(np.exp(rows - np.where(np.isfinite(most), most, 0.0)), axis=1)


@dataclass(frozen=True, eq=False)
class Tilted:
    """The distribution. used: expected costs."""

    steps: Sequence[Step]
    used: Array

    def draw(self, count: int, rng: np.random.Generator) -> Ints:
        """Networks (count, decisions)."""
        paths = np.zeros((count, len(self.steps)), int)
        for level in self._levels:
            level.draw(paths, rng)
        return paths

    @cached_property
    def _levels(self) -> list[_Level]:
        """What was eliminated last is drawn first: the others depend on it."""
        depth = dict[int, int]()
        by_depth = dict[int, list[Step]]()
        for step in reversed(self.steps):
            depth[step.decision] = 1 + max((depth[parent] for parent in step.parents), default=0)
            by_depth.setdefault(depth[step.decision], []).append(step)
        return [_Level(sorted(by_depth[key], key=lambda step: step.decision)) for key in sorted(by_depth)]
