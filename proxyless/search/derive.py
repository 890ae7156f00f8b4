"""The most probable networks that keep all bounds: a multiple-choice knapsack, solved exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, csr_matrix

from proxyless.errors import InputError
from proxyless.space.bounds import Bound

_LOG_PROB_FLOOR = -1e4
"""Stands for the log of a probability that underflowed: worse than any other, yet finite."""

_SLACKS = (0.0, 1e-7, 1e-6, 1e-5)
"""The solver may overstep a bound by its tolerance; the answer must not."""


def derive_path(log_probs: Sequence[Sequence[float]], bounds: Sequence[Bound]) -> list[int]:
    """Maximise `sum_l log p_l,a_l` subject to all bounds; returns the index of the operation in each layer.

    Of the networks that cost at least `least` of one of the bounds, where there are any; else of all.
    A mixed-integer linear programme (HiGHS, through SciPy), with a relative gap of zero.
    log_probs: per layer and operation.

    Raises:
        InputError: no network keeps the bounds.
    """
    found = derive_paths(log_probs, bounds, 1)
    if not found:
        raise InputError(_infeasible(bounds))
    return found[0]


def derive_paths(log_probs: Sequence[Sequence[float]], bounds: Sequence[Bound], count: int) -> list[list[int]]:
    """The `count` most probable distinct networks that keep the bounds, best first; fewer where there are fewer.

    Those that cost at least `least` of one of the bounds come first.
    """
    knapsack = _Knapsack(log_probs, bounds, uses=True)
    found: list[list[int]] = []
    while len(found) < count:
        path = knapsack.solve()
        if path is None and not knapsack.uses:
            break
        if path is None:
            knapsack.uses = False
        else:
            found.append(path)
            knapsack.exclude(path)
    return found


def choose_path(
    log_probs: Sequence[Sequence[float]], bounds: Sequence[Bound], evaluated: Sequence[Sequence[int]] = ()
) -> list[int]:
    """The first of the evaluated networks that keeps the bounds and uses one, else the most probable one that does.

    Where no network uses a bound, the first that keeps them.
    evaluated: best first.

    Raises:
        InputError: no network keeps the bounds.
    """
    fitting = [list(path) for path in evaluated if keeps(path, bounds)]
    using = [path for path in fitting if uses(path, bounds)]
    if using:
        return using[0]
    derived = derive_path(log_probs, bounds)
    return fitting[0] if fitting and not uses(derived, bounds) else derived


def candidate_paths(
    log_probs: Sequence[Sequence[float]], bounds: Sequence[Bound], evaluated: Sequence[Sequence[int]], count: int
) -> list[list[int]]:
    """Up to `count` distinct networks that keep the bounds: half of them evaluated where there are, then probable ones.

    Raises:
        InputError: no network keeps the bounds.
    """
    first = choose_path(log_probs, bounds, evaluated)
    fitting = [list(path) for path in evaluated if keeps(path, bounds)]
    using = [path for path in fitting if uses(path, bounds)]
    merged = [first, *using[: count // 2], *derive_paths(log_probs, bounds, count), *fitting]
    return [list(path) for path in dict.fromkeys(map(tuple, merged))][:count]


def log_prob(log_probs: Sequence[Sequence[float]], path: Sequence[int]) -> float:
    """Sum over the layers."""
    return sum(row[op] for row, op in zip(log_probs, path, strict=True))


def keeps(path: Sequence[int], bounds: Sequence[Bound]) -> bool:
    """Whether a network keeps all bounds."""
    return all(bound.cost(path) <= bound.limit for bound in bounds)


def uses(path: Sequence[int], bounds: Sequence[Bound]) -> bool:
    """Whether a network costs as much of one bound as it should, up to the tolerance of the solver."""
    return any(bound.cost(path) >= bound.least * (1 - 1e-6) for bound in bounds)


@dataclass
class _Knapsack:
    """The programme over one 0/1 variable per layer and operation, and the networks that it may not give again."""

    log_probs: Sequence[Sequence[float]]
    bounds: Sequence[Bound]
    uses: bool
    excluded: list[np.ndarray] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        return [len(row) for row in self.log_probs]

    def exclude(self, path: Sequence[int]) -> None:
        rows = [np.eye(size)[op] for size, op in zip(self.sizes, path, strict=True)]
        self.excluded.append(np.concatenate(rows))

    def solve(self) -> list[int] | None:
        """The most probable network that uses one of the bounds; when `uses` is false, that keeps them."""
        if not self.uses:
            return self._solve(None)
        found = [path for bound in self.bounds if (path := self._solve(bound)) is not None]
        return max(found, key=lambda path: log_prob(self.log_probs, path), default=None)

    def _solve(self, used: Bound | None) -> list[int] | None:
        gains = np.maximum(np.concatenate([np.asarray(row, float) for row in self.log_probs]), _LOG_PROB_FLOOR)
        for slack in _SLACKS:
            answer = milp(
                -gains,
                constraints=self._constraints(slack, used),
                integrality=np.ones(len(gains)),
                bounds=Bounds(0, 1),
                options={"mip_rel_gap": 0.0},
            )
            if answer.x is None:
                return None
            path = [int(part.argmax()) for part in np.split(answer.x, np.cumsum(self.sizes)[:-1])]
            if keeps(path, self.bounds):
                return path
        return None

    def _constraints(self, slack: float, used: Bound | None) -> list[LinearConstraint]:
        one_per_layer = csr_matrix(block_diag([np.ones((1, size)) for size in self.sizes]))
        constraints = [LinearConstraint(one_per_layer, 1, 1)]
        for bound in self.bounds:
            spent = np.concatenate([np.asarray(row, float) for row in bound.layers]) / bound.limit
            fixed = bound.constant / bound.limit
            least = bound.least / bound.limit - fixed if bound is used else -np.inf
            constraints.append(LinearConstraint(spent[None], least, 1 - fixed - slack))
        if self.excluded:
            constraints.append(LinearConstraint(np.stack(self.excluded), -np.inf, len(self.sizes) - 1))
        return constraints


def feasible_path(bounds: Sequence[Bound]) -> list[int]:
    """A network that keeps all bounds.

    Raises:
        InputError: none does.
    """
    return derive_path([[0.0] * len(row) for row in bounds[0].layers], bounds)


def _infeasible(bounds: Sequence[Bound]) -> str:
    if len(bounds) == 1:
        (bound,) = bounds
        smallest = f"{bound.min_cost:.4g} {bound.unit}".rstrip()
        return f"no network fits {bound.limit:.4g} {bound.unit}; the smallest is predicted to take {smallest}"
    return f"no network keeps all at once: {', '.join(map(str, bounds))}; ask for more of one of them"
