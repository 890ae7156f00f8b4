"""Budgets against a cost model."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyless.errors import InputError
from proxyless.space.factors import row_factors
from proxyless.space.latency import LayerCosts


@given(constant_ms=st.floats(1e-4, 1e4), margin=st.floats(0, 0.5))
def test_the_budget_that_a_refusal_proposes_is_accepted(constant_ms: float, margin: float) -> None:
    costs = LayerCosts(constant_ms, (2,), row_factors([(0.1 * constant_ms, constant_ms)]), margin)
    with pytest.raises(InputError) as caught:
        costs.check_budget(constant_ms)
    proposed = re.search(r"ask for at least (\S+) ms", str(caught.value))
    assert proposed is not None
    costs.check_budget(float(proposed[1]))
    assert costs.min_ms <= costs.bound_ms(float(proposed[1]))


def test_range_of_a_space() -> None:
    costs = LayerCosts(1.0, (2, 2), row_factors([(1.0, 3.0), (0.0, 2.0)]))
    assert (costs.min_ms, costs.mean_ms, costs.max_ms) == (2.0, 4.0, 6.0)
