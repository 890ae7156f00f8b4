"""What probabilities support: a dear operation needs evidence, and an allowance is filled by what is preferred.

A sum of log-probabilities alone would fill what is left of a budget with whatever gives up least of it: one operation
of probability 0.01 that takes three quarters of the milliseconds, where nothing else is improved.
"""

import math
from collections.abc import Sequence

import numpy as np

from proxyless.space.bounds import Bound
from proxyless.space.factors import Array

Rows = Sequence[Sequence[float]]
"""Per decision, per choice."""
Mask = list[list[bool]]
"""Per decision, per choice: whether it may be chosen."""

TWICE = math.log(2)
"""In nats: a choice that is more than twice as probable as another is preferred to it."""
_LEAST = -100.0
"""In nats."""
SEVERAL = 4.0
"""How many times the cost of another choice needs evidence."""


def all_of(rows: Rows) -> Mask:
    """Every choice."""
    return [[True] * len(row) for row in rows]


def supported(log_probs: Rows, bounds: Sequence[Bound]) -> Mask:
    """Without the choices that cost more than `SEVERAL` times as much as another one of their decision, by one of the
    bounds and no less by any, and are not at least twice as probable. What costs nothing is no choice to compare
    with: a skip. Where a cost depends on other decisions too, it is the average over their probabilities."""
    probs = _probs(log_probs)
    mask = []
    for decision, row in enumerate(log_probs):
        costs = [bound.choices(decision, probs) for bound in bounds]
        mask.append([all(_is_worth(row, costs, mine, other) for other in range(len(row))) for mine in range(len(row))])
    return mask


def _is_worth(row: Sequence[float], costs: Sequence[Sequence[float]], mine: int, other: int) -> bool:
    several = any(0 < SEVERAL * each[other] < each[mine] for each in costs)
    dearer = several and all(each[other] <= each[mine] for each in costs)
    return not dearer or row[mine] >= row[other] + TWICE


def improvements(log_probs: Rows, bound: Bound, base: Sequence[int], allowed: Mask) -> Mask:
    """Of what is allowed, without the choices that cost more than that of `base`, where that one is more than twice as
    probable. base: index of the choice of each decision. Where a cost depends on other decisions too, it is the average
    over their probabilities."""
    probs = _probs(log_probs)
    improving = []
    for decision, (row, mine, mask) in enumerate(zip(log_probs, base, allowed, strict=True)):
        costs = bound.choices(decision, probs)
        improving.append(
            [may and (costs[op] <= costs[mine] or row[op] >= row[mine] - TWICE) for op, may in enumerate(mask)]
        )
    return improving


def _probs(log_probs: Rows) -> list[Array]:
    """Of the choices of every decision; none is so improbable that no cost would count."""
    return [
        np.exp(np.maximum(row, _LEAST)) / np.exp(np.maximum(row, _LEAST)).sum() for row in map(np.asarray, log_probs)
    ]
