"""Exact derivation against brute force."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxyless.errors import InputError
from proxyless.search.derive import candidate_paths, choose_path, derive_path, derive_paths, feasible_path, keeps
from proxyless.space.bounds import Bound

Rows = list[list[float]]


def _bound(
    layers: Sequence[Sequence[float]], limit: float, constant: float = 0.0, name: str = "latency", least: float = 0.0
) -> Bound:
    return Bound(name, "ms", constant, tuple(map(tuple, layers)), limit, least)


def _value(log_probs: Rows, path: Sequence[int]) -> float:
    return sum(row[op] for row, op in zip(log_probs, path, strict=True))


def _fitting(log_probs: Rows, bounds: Sequence[Bound]) -> list[float]:
    """Log-probabilities of all networks that keep the bounds, best first."""
    paths = itertools.product(*(range(len(row)) for row in log_probs))
    return sorted((_value(log_probs, path) for path in paths if keeps(path, bounds)), reverse=True)


def _problem(seed: int, share: float, layers: int, count: int) -> tuple[Rows, list[Bound]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, layers)
    log_probs = [np.log(rng.dirichlet(np.ones(size))).tolist() for size in sizes]
    bounds = []
    for _ in range(count):
        scale = 10.0 ** rng.integers(-4, 4)
        costs = [(scale * rng.random(size)).tolist() for size in sizes]
        loose = _bound(costs, np.inf, scale * float(rng.random()))
        limit = loose.min_cost + share * (loose.max_cost - loose.min_cost) + 1e-12 * scale
        bounds.append(_bound(costs, limit, loose.constant))
    return log_probs, bounds


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), layers=st.integers(1, 6), count=st.integers(1, 3))
def test_no_network_that_keeps_the_bounds_is_more_probable(seed: int, share: float, layers: int, count: int) -> None:
    log_probs, bounds = _problem(seed, share, layers, count)
    values = _fitting(log_probs, bounds)
    if not values:
        with pytest.raises(InputError, match="no network"):
            derive_path(log_probs, bounds)
        return
    path = derive_path(log_probs, bounds)
    assert keeps(path, bounds)
    assert _value(log_probs, path) >= values[0] - 1e-4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0.1, 1), layers=st.integers(1, 4), count=st.integers(1, 2))
def test_several_are_distinct_and_the_most_probable_ones(seed: int, share: float, layers: int, count: int) -> None:
    log_probs, bounds = _problem(seed, share, layers, count)
    values = _fitting(log_probs, bounds)
    paths = derive_paths(log_probs, bounds, 6)
    assert len({tuple(path) for path in paths}) == len(paths) == min(6, len(values))
    np.testing.assert_allclose([_value(log_probs, path) for path in paths], values[:6], atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    share=st.floats(0.2, 1),
    fill=st.floats(0.5, 0.98),
    layers=st.integers(1, 5),
    count=st.integers(1, 2),
)
def test_one_of_the_allowances_is_used_where_a_network_does(
    seed: int, share: float, fill: float, layers: int, count: int
) -> None:
    log_probs, loose = _problem(seed, share, layers, count)
    bounds = [replace(bound, least=fill * bound.limit) for bound in loose]
    paths = [path for path in itertools.product(*(range(len(row)) for row in log_probs)) if keeps(path, bounds)]
    if not paths:
        return
    using = [path for path in paths if any(bound.cost(path) >= bound.least for bound in bounds)]
    path = derive_path(log_probs, bounds)
    assert keeps(path, bounds)
    assert _value(log_probs, path) >= max(_value(log_probs, path) for path in using or paths) - 1e-4
    assert not using or any(bound.cost(path) >= bound.least * (1 - 1e-6) for bound in bounds)


def test_it_is_not_the_most_probable_operation_of_each_layer() -> None:
    log_probs = np.log([[0.4, 0.6], [0.1, 0.9]]).tolist()
    costs = ((1.0, 5.0), (1.0, 5.0))
    assert derive_path(log_probs, [_bound(costs, 6.0)]) == [0, 1]
    assert derive_path(log_probs, [_bound(costs, 10.0)]) == [1, 1]


def test_an_underflowed_probability_is_last_but_possible() -> None:
    assert derive_path([[-np.inf, 0.0]], [_bound(((1.0, 5.0),), 10.0)]) == [1]
    assert derive_path([[-np.inf, 0.0]], [_bound(((1.0, 5.0),), 2.0)]) == [0]


def test_no_network_fits() -> None:
    with pytest.raises(InputError, match="no network fits 1 ms; the smallest is predicted to take 2 ms"):
        derive_path([[0.0]], [_bound(((1.0,),), 1.0, 1.0)])


def test_bounds_that_contradict_each_other_are_named() -> None:
    fast = _bound(((1.0, 5.0),), 2.0)
    small = _bound(((5.0, 1.0),), 2.0, name="parameters")
    feasible_path([fast])
    feasible_path([small])
    with pytest.raises(
        InputError, match="no network keeps all at once: latency of at most 2 ms, parameters of at most 2 ms"
    ):
        feasible_path([fast, small])


def test_what_was_evaluated_comes_first_where_it_fits() -> None:
    log_probs = np.log([[0.2, 0.8], [0.2, 0.8]]).tolist()
    costs = ((1.0, 5.0), (1.0, 5.0))
    evaluated = [[1, 1], [1, 0], [0, 0]]
    assert choose_path(log_probs, [_bound(costs, 10.0)], evaluated) == [1, 1]
    assert choose_path(log_probs, [_bound(costs, 6.0)], evaluated) == [1, 0]
    assert choose_path(log_probs, [_bound(costs, 6.0)]) in ([1, 0], [0, 1])
    found = candidate_paths(log_probs, [_bound(costs, 6.0)], evaluated, 4)
    assert found[0] == [1, 0] and sorted(found) == [[0, 0], [0, 1], [1, 0]]


def test_an_evaluated_network_that_leaves_the_budget_unused_is_not_taken_where_one_uses_it() -> None:
    log_probs = np.log([[0.2, 0.8], [0.2, 0.8]]).tolist()
    bound = _bound(((1.0, 5.0), (1.0, 5.0)), 10.0, least=9.7)
    assert choose_path(log_probs, [bound], [[0, 0]]) == [1, 1]
    assert candidate_paths(log_probs, [bound], [[0, 0]], 2)[0] == [1, 1]
    assert choose_path(log_probs, [replace(bound, limit=9.0, least=8.7)], [[0, 0], [0, 1]]) == [0, 0]
