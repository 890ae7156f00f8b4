"""The multiple-choice knapsack: the most probable network that keeps all bounds, exactly (HiGHS, through SciPy)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, coo_array, csr_matrix, vstack

from proxyless.search.evidence import Mask, Rows
from proxyless.space.bounds import Bound, keeps
from proxyless.space.factors import Scope

_FLOOR = -1e4
"""Stands for the log of a probability that underflowed: worse than any other, yet finite."""

_SLACKS = (0.0, 1e-7, 1e-6, 1e-5)
"""The solver may overstep a bound by its tolerance; the answer must not."""

_ABOUT = 0.01

_CUTS = 50
"""Answers beyond a bound by less than the solver's tolerance that are forbidden one by one, where no slack is left."""


@dataclass
class Knapsack:
    """The programme, and the networks that it may not give again.

    Of every choice a 0/1 variable says whether it is taken; where several decisions cost something together, one more
    per combination of their choices, whose sums over all combinations with a choice are that choice's. These are whole
    numbers where the first are. Where it would have more variables than there are networks, as where all decisions
    together determine a cell, every network is looked at instead.
    """

    log_probs: Rows
    bounds: Sequence[Bound]
    excluded: list[tuple[np.ndarray, int]] = field(default_factory=list)

    @cached_property
    def sizes(self) -> list[int]:
        return [len(row) for row in self.log_probs]

    @cached_property
    def _starts(self) -> list[int]:
        """Of the variables of every decision."""
        return [0, *np.cumsum(self.sizes)]

    @cached_property
    def _joint(self) -> dict[Scope, int]:
        """Of the variables of every scope of several decisions; the end is at `()`."""
        scopes = dict.fromkeys(f.scope for bound in self.bounds for f in bound.factors if len(f.scope) > 1)
        lengths = [prod(self.sizes[decision] for decision in scope) for scope in scopes]
        starts = np.cumsum([self._starts[-1], *lengths])
        return dict(zip([*scopes, ()], map(int, starts), strict=True))

    def exclude(self, path: Sequence[int], live: Sequence[int] | None = None) -> None:
        """live: the decisions that have a say in the network; all of them where there are none given. With them, every
        path of the same network is excluded."""
        row, decisions = np.zeros(self._joint[()]), range(len(path)) if live is None else live
        row[[self._starts[decision] + path[decision] for decision in decisions]] = 1.0
        self.excluded.append((row, len(decisions)))

    def most_probable(self, allowed: Mask, used: Bound | None = None) -> list[int] | None:
        """Of the allowed choices; used: one of the bounds, of which it costs at least `least`."""
        gains = np.zeros(self._joint[()])
        gains[: self._starts[-1]] = np.maximum(_flat(self.log_probs), _FLOOR)
        return self._solve(gains, allowed, used)

    def dearest(self, allowed: Mask, bound: Bound) -> list[int] | None:
        """A network of the allowed choices that costs about as much of a bound as any, and keeps all.

        To a share of `_ABOUT`: exactly, it is the subset-sum problem, and can take minutes.
        """
        return self._solve(self._row(bound), allowed, None, gap=_ABOUT)

    def _solve(self, gains: np.ndarray, allowed: Mask, used: Bound | None, gap: float = 0.0) -> list[int] | None:
        for slack in _SLACKS:
            path = self._answer(gains, allowed, used, slack, gap)
            if path is None:
                break
            if keeps(path, self.bounds):
                return path
        return self._with_cuts(gains, allowed, used, gap) if slack > 0 else None

    def _with_cuts(self, gains: np.ndarray, allowed: Mask, used: Bound | None, gap: float) -> list[int] | None:
        """Networks that keep a bound by less than the slack are found by forbidding those that overstep it."""
        trial = replace(self, excluded=list(self.excluded))
        for _ in range(_CUTS):
            path = trial._answer(gains, allowed, used, 0.0, gap)
            if path is None or keeps(path, self.bounds):
                return path
            trial.exclude(path)
        return None

    def _answer(
        self, gains: np.ndarray, allowed: Mask, used: Bound | None, slack: float, gap: float
    ) -> list[int] | None:
        if prod(self.sizes) <= self._joint[()]:
            return self._best_listed(gains, allowed, used, slack)
        choices = self._starts[-1]
        most = np.concatenate([_flat(allowed), np.ones(len(gains) - choices)])
        answer = milp(
            -gains,
            constraints=self._constraints(slack, used),
            integrality=np.arange(len(gains)) < choices,
            bounds=Bounds(0, most),
            options={"mip_rel_gap": gap},
        )
        if answer.x is None:
            return None
        return [int(part.argmax()) for part in np.split(answer.x[:choices], self._starts[1:-1])]

    def _best_listed(self, gains: np.ndarray, allowed: Mask, used: Bound | None, slack: float) -> list[int] | None:
        networks, choices = self._listed, len(self.sizes)
        fits = _flat(allowed)[networks[:, :choices]].all(axis=1)
        for bound in self.bounds:
            fits &= self._row(bound)[networks].sum(axis=1) <= 1 - bound.constant / bound.limit - slack
        if used is not None:
            fits &= self._row(used)[networks].sum(axis=1) >= (used.least - used.constant) / used.limit
        for row, live in self.excluded:
            fits &= row[networks[:, :choices]].sum(axis=1) < live
        if not fits.any():
            return None
        best = int(np.where(fits, gains[networks].sum(axis=1), -np.inf).argmax())
        return [int(variable) for variable in networks[best, :choices] - self._starts[:-1]]

    @cached_property
    def _listed(self) -> np.ndarray:
        """Of every network the variables that are 1: (networks, decisions and scopes)."""
        paths = np.indices(self.sizes).reshape(len(self.sizes), -1)
        columns = [start + indices for start, indices in zip(self._starts, paths, strict=False)]
        for scope, start in self._joint.items():
            if scope:
                sizes = [self.sizes[decision] for decision in scope]
                columns.append(start + np.ravel_multi_index(tuple(paths[list(scope)]), sizes))
        return np.stack(columns, axis=1)

    def _constraints(self, slack: float, used: Bound | None) -> list[LinearConstraint]:
        constraints = list(self._structure)
        for bound in self.bounds:
            fixed = bound.constant / bound.limit
            constraints.append(LinearConstraint(self._row(bound)[None], -np.inf, 1 - fixed - slack))
        if used is not None:
            least = (used.least - used.constant) / used.limit
            constraints.append(LinearConstraint(self._row(used)[None], least, np.inf))
        if self.excluded:
            rows, counts = zip(*self.excluded, strict=True)
            constraints.append(LinearConstraint(np.stack(rows), -np.inf, np.array(counts) - 1))
        return constraints

    @cached_property
    def _structure(self) -> tuple[LinearConstraint, ...]:
        """One choice of every decision; of every combination as much as of each of its choices."""
        one = block_diag([np.ones((1, size)) for size in self.sizes])
        one.resize(len(self.sizes), self._joint[()])
        constraints = [LinearConstraint(csr_matrix(one), 1, 1)]
        if tied := [self._tied(scope, start) for scope, start in self._joint.items() if scope]:
            constraints.append(LinearConstraint(csr_matrix(vstack(tied)), 0, 0))
        return tuple(constraints)

    def _tied(self, scope: Scope, start: int) -> coo_array:
        """A row per choice of every decision of the scope: the sum over the combinations with it, less its own."""
        grid = np.indices([self.sizes[decision] for decision in scope]).reshape(len(scope), -1)
        offsets = np.cumsum([0, *(self.sizes[decision] for decision in scope)])
        rows = np.concatenate([indices + offset for indices, offset in zip(grid, offsets, strict=False)])
        columns = np.tile(start + np.arange(grid.shape[1]), len(scope))
        own = np.concatenate([self._starts[decision] + np.arange(self.sizes[decision]) for decision in scope])
        values = np.concatenate([np.ones(len(rows)), -np.ones(len(own))])
        places = np.concatenate([rows, np.arange(len(own))]), np.concatenate([columns, own])
        return coo_array((values, places), (len(own), self._joint[()]))

    def _row(self, bound: Bound) -> np.ndarray:
        """What every variable costs, as a share of the limit."""
        row = np.zeros(self._joint[()])
        for factor in bound.factors:
            (decision,) = factor.scope if len(factor.scope) == 1 else (None,)
            start = self._joint[factor.scope] if decision is None else self._starts[decision]
            row[start : start + factor.values.size] += factor.values.ravel() / bound.limit
        return row


def _flat(rows: Rows | Mask) -> np.ndarray:
    return np.concatenate([np.asarray(row, float) for row in rows])
