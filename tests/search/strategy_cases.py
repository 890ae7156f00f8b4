"""Every search strategy, and every setting that makes another one of it."""

from typing import Any

import pytest

from proxyless.search.strategies import STRATEGIES

STRATEGY_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in STRATEGIES),
    ("gradient", {"gates": "all"}),
    ("reinforce", {"reward": "accuracy"}),
    ("darts", {"unrolled": True}),
]

every_strategy = pytest.mark.parametrize(
    ("strategy", "more"),
    [
        # PyTorch differentiates convolutions twice for it, and slowly on a CPU.
        pytest.param(name, more, id=f"{name}-{more}" if more else name, marks=[pytest.mark.slow] * ("unrolled" in more))
        for name, more in STRATEGY_CASES
    ],
)
