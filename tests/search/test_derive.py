"""Exact derivation against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyless.errors import InputError
from proxyless.search.derive import derive_path
from proxyless.space.latency import LayerCosts


def _brute_force(log_probs: list[list[float]], costs: LayerCosts, bound_ms: float) -> float | None:
    paths = itertools.product(*(range(len(row)) for row in log_probs))
    fitting = [path for path in paths if costs.path_ms(path) <= bound_ms]
    return max((sum(row[op] for row, op in zip(log_probs, path, strict=True)) for path in fitting), default=None)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), layers=st.integers(1, 6))
def test_no_network_that_fits_is_more_probable(seed: int, share: float, layers: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, layers)
    scale = 10.0 ** rng.integers(-4, 4)
    log_probs = [np.log(rng.dirichlet(np.ones(size))).tolist() for size in sizes]
    costs = LayerCosts(float(scale * rng.random()), tuple(tuple((scale * rng.random(size)).tolist()) for size in sizes))
    bound_ms = costs.min_ms + share * (costs.max_ms - costs.min_ms) + 1e-12 * scale
    best = _brute_force(log_probs, costs, bound_ms)
    assert best is not None
    path = derive_path(log_probs, costs, bound_ms)
    assert costs.path_ms(path) <= bound_ms
    assert sum(row[op] for row, op in zip(log_probs, path, strict=True)) >= best - 1e-4


def test_it_is_not_the_most_probable_operation_of_each_layer() -> None:
    log_probs = np.log([[0.4, 0.6], [0.1, 0.9]]).tolist()
    costs = LayerCosts(0.0, ((1.0, 5.0), (1.0, 5.0)))
    assert derive_path(log_probs, costs, 6.0) == [0, 1]
    assert derive_path(log_probs, costs, 10.0) == [1, 1]


def test_an_underflowed_probability_is_last_but_possible() -> None:
    costs = LayerCosts(0.0, ((1.0, 5.0),))
    assert derive_path([[-np.inf, 0.0]], costs, 10.0) == [1]
    assert derive_path([[-np.inf, 0.0]], costs, 2.0) == [0]


def test_no_network_fits() -> None:
    with pytest.raises(InputError, match="no network fits 1 ms; the smallest is predicted to take 2 ms"):
        derive_path([[0.0]], LayerCosts(1.0, ((1.0,),)), 1.0)
