"""What probabilities support: a dear operation needs evidence, and an allowance is filled by what is preferred.

A sum of log-probabilities alone would fill what is left of a budget with whatever gives up least of it: one operation
of probability 0.01 that takes three quarters of the milliseconds, where nothing else is improved.
"""

import math
from collections.abc import Sequence

from proxyless.space.bounds import Bound

Rows = Sequence[Sequence[float]]
"""Per layer, per operation."""
Mask = list[list[bool]]
"""Per layer, per operation: whether it may be chosen."""

TWICE = math.log(2)
"""In nats: an operation that is more than twice as probable as another is preferred to it."""
SEVERAL = 4.0
"""How many times the cost of another operation of its layer needs evidence."""


def all_of(rows: Rows) -> Mask:
    """Every operation."""
    return [[True] * len(row) for row in rows]


def supported(log_probs: Rows, bounds: Sequence[Bound]) -> Mask:
    """Without the operations that cost more than `SEVERAL` times as much as another one of their layer, by one of the
    bounds and no less by any, and are not at least twice as probable. What costs nothing is no operation to compare
    with: a skip."""
    return [
        [
            all(_is_worth(row, [bound.layers[layer] for bound in bounds], op, other) for other in range(len(row)))
            for op in range(len(row))
        ]
        for layer, row in enumerate(log_probs)
    ]


def _is_worth(row: Sequence[float], costs: Sequence[Sequence[float]], op: int, other: int) -> bool:
    several = any(0 < SEVERAL * each[other] < each[op] for each in costs)
    dearer = several and all(each[other] <= each[op] for each in costs)
    return not dearer or row[op] >= row[other] + TWICE


def improvements(log_probs: Rows, bound: Bound, base: Sequence[int], allowed: Mask) -> Mask:
    """Of what is allowed, without the operations that cost more than that of `base` in their layer, where that one is
    more than twice as probable. base: index of the operation in each layer."""
    return [
        [may and (costs[op] <= costs[mine] or row[op] >= row[mine] - TWICE) for op, may in enumerate(mask)]
        for row, costs, mine, mask in zip(log_probs, bound.layers, base, allowed, strict=True)
    ]
