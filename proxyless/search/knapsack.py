"""The multiple-choice knapsack: the most probable network that keeps all bounds, exactly (HiGHS, through SciPy)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, csr_matrix

from proxyless.search.evidence import Mask, Rows
from proxyless.space.bounds import Bound, keeps

_LOG_PROB_FLOOR = -1e4
"""Stands for the log of a probability that underflowed: worse than any other, yet finite."""

_SLACKS = (0.0, 1e-7, 1e-6, 1e-5)
"""The solver may overstep a bound by its tolerance; the answer must not."""

_ABOUT = 0.01

_CUTS = 50
"""Answers beyond a bound by less than the solver's tolerance that are forbidden one by one, where no slack is left."""


@dataclass
class Knapsack:
    """The programme over one 0/1 variable per layer and operation, and the networks that it may not give again."""

    log_probs: Rows
    bounds: Sequence[Bound]
    excluded: list[np.ndarray] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        return [len(row) for row in self.log_probs]

    def exclude(self, path: Sequence[int]) -> None:
        rows = [np.eye(size)[op] for size, op in zip(self.sizes, path, strict=True)]
        self.excluded.append(np.concatenate(rows))

    def most_probable(self, allowed: Mask, used: Bound | None = None) -> list[int] | None:
        """Of the allowed operations; used: one of the bounds, of which it costs at least `least`."""
        gains = np.concatenate([np.asarray(row, float) for row in self.log_probs])
        return self._solve(np.maximum(gains, _LOG_PROB_FLOOR), allowed, used)

    def dearest(self, allowed: Mask, bound: Bound) -> list[int] | None:
        """A network of the allowed operations that costs about as much of a bound as any, and keeps all.

        To a share of `_ABOUT`: exactly, it is the subset-sum problem, and can take minutes.
        """
        return self._solve(_flat(bound.layers) / bound.limit, allowed, None, gap=_ABOUT)

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
        answer = milp(
            -gains,
            constraints=self._constraints(slack, used),
            integrality=np.ones(len(gains)),
            bounds=Bounds(0, np.concatenate([np.asarray(row, float) for row in allowed])),
            options={"mip_rel_gap": gap},
        )
        if answer.x is None:
            return None
        return [int(part.argmax()) for part in np.split(answer.x, np.cumsum(self.sizes)[:-1])]

    def _constraints(self, slack: float, used: Bound | None) -> list[LinearConstraint]:
        one_per_layer = csr_matrix(block_diag([np.ones((1, size)) for size in self.sizes]))
        constraints = [LinearConstraint(one_per_layer, 1, 1)]
        for bound in self.bounds:
            fixed = bound.constant / bound.limit
            constraints.append(LinearConstraint(_flat(bound.layers)[None] / bound.limit, -np.inf, 1 - fixed - slack))
        if used is not None:
            spent, least = _flat(used.layers)[None] / used.limit, (used.least - used.constant) / used.limit
            constraints.append(LinearConstraint(spent, least, np.inf))
        if self.excluded:
            constraints.append(LinearConstraint(np.stack(self.excluded), -np.inf, len(self.sizes) - 1))
        return constraints


def _flat(rows: Rows) -> np.ndarray:
    return np.concatenate([np.asarray(row, float) for row in rows])
