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
    ("strategy", "more"), STRATEGY_CASES, ids=[f"{name}-{more}" if more else name for name, more in STRATEGY_CASES]
)
