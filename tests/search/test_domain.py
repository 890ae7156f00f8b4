"""Networks within bounds, against all networks of small spaces."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from proxyless.errors import InputError
from proxyless.search.domain import BoundedDomain
from proxyless.search.samplers import Path
from proxyless.space.bounds import Bound

Costs = list[list[list[float]]]


def _costs(bounds: int, sizes: Sequence[int], seed: int = 0) -> Costs:
    rng = np.random.default_rng(seed)
    return [[rng.uniform(0.1, 1.0, size).tolist() for size in sizes] for _ in range(bounds)]


def _domain(costs: Costs, room: Sequence[float], known: Path | None = None) -> BoundedDomain:
    bounds = [Bound.of_rows("cost", "", 0.0, rows, limit) for rows, limit in zip(costs, room, strict=True)]
    return BoundedDomain(bounds, known)


def _spent(costs: Costs, path: Path) -> list[float]:
    return [sum(layer[op] for layer, op in zip(layers, path, strict=True)) for layers in costs]


def _fitting(costs: Costs, room: Sequence[float]) -> set[Path]:
    every = itertools.product(*(range(len(layer)) for layer in costs[0]))
    return {path for path in every if all(used <= most for used, most in zip(_spent(costs, path), room, strict=True))}


@pytest.mark.parametrize("bounds", [1, 2, 3])
@pytest.mark.parametrize("tightness", [0.05, 0.3, 0.7])
def test_all_that_fit_and_only_those(bounds: int, tightness: float) -> None:
    costs = _costs(bounds, (3, 4, 1, 2, 3))
    every = np.array([_spent(costs, path) for path in itertools.product(*(range(len(layer)) for layer in costs[0]))])
    room = np.quantile(every, tightness, axis=0).tolist()
    fitting = _fitting(costs, room)
    domain, rng = _domain(costs, room), np.random.default_rng(1)
    if not fitting:
        with pytest.raises(InputError, match="looser"):
            domain.random(rng)
        return
    drawn = {domain.random(rng) for _ in range(100 * len(fitting))}
    assert drawn <= fitting
    near = {path for path in fitting if max(np.divide(_spent(costs, path), room)) > 0.9}
    assert near <= drawn


def test_networks_of_equal_cost_are_equally_likely() -> None:
    """The 70 networks that use the bound exactly: chi-squared over those that were drawn."""
    costs = [[[0.0, 1.0]] * 8]
    domain, rng = _domain(costs, [4.0]), np.random.default_rng(0)
    drawn = [domain.random(rng) for _ in range(7000)]
    counts = np.array([drawn.count(path) for path in _fitting(costs, [4.0]) if sum(path) == 4])
    expected = counts.mean()
    assert len(counts) == 70
    assert np.sum((counts - expected) ** 2 / expected) < 110  # 99.9 % quantile of 69 degrees of freedom: 111


def test_random_networks_come_near_a_tight_bound_of_a_large_space() -> None:
    """21 layers of 7: a uniform network fits with a probability below 1e-6, and the usual one is far from the bound."""
    costs = _costs(2, (7,) * 21)
    least = [sum(min(layer) for layer in layers) for layers in costs]
    mean = [sum(float(np.mean(layer)) for layer in layers) for layers in costs]
    room = [0.6 * low + 0.4 * middle for low, middle in zip(least, mean, strict=True)]
    domain, rng = _domain(costs, room), np.random.default_rng(0)
    used = np.array([_spent(costs, domain.random(rng)) for _ in range(200)]) / room
    assert used.max() <= 1
    assert np.median(used.max(axis=1)) > 0.95


def test_a_bound_that_does_not_bind_changes_nothing() -> None:
    costs = _costs(1, (4,) * 6)
    domain, rng = _domain(costs, [100.0]), np.random.default_rng(0)
    drawn = np.array([domain.random(rng) for _ in range(4000)])
    for layer in range(6):
        assert np.bincount(drawn[:, layer], minlength=4) == pytest.approx(1000, abs=120)  # 4.4 standard deviations


def test_the_only_network() -> None:
    costs = _costs(1, (5,) * 21)
    only = tuple(int(np.argmin(layer)) for layer in costs[0])
    domain, rng = _domain(costs, _spent(costs, only)), np.random.default_rng(0)
    assert domain.random(rng) == only
    assert domain.mutate(only, rng) == only


def test_the_only_network_of_two_bounds_that_contradict_each_other() -> None:
    """What one bound likes the other does not: all but the intended network overstep one of them."""
    costs = [[[0.0, 1.0, 3.0]] * 5, [[3.0, 1.0, 0.0]] * 5]
    domain, rng = _domain(costs, [5.0, 5.0]), np.random.default_rng(0)
    assert _fitting(costs, [5.0, 5.0]) == {(1,) * 5}
    assert domain.random(rng) == (1,) * 5


def test_bounds_that_no_network_keeps_together() -> None:
    domain = _domain([[[0.0, 1.0]] * 5, [[1.0, 0.0]] * 5], [0.0, 0.0])
    with pytest.raises(InputError, match="all bounds at once"):
        domain.random(np.random.default_rng(0))


def test_an_impossible_bound_is_refused_with_what_is_needed() -> None:
    domain = _domain([[[1.0, 2.0]] * 3, [[5.0, 4.0]] * 3], [4.0, 11.0])
    with pytest.raises(InputError, match="needs 12 of bound 2, which allows 11"):
        domain.random(np.random.default_rng(0))


@pytest.mark.parametrize("more", [0.3, 0.8, 1.5])
def test_a_neighbour_fits_and_differs_in_one_or_two_layers(more: float) -> None:
    costs = _costs(1, (3, 4, 1, 2, 3))
    room = sum(min(layer) for layer in costs[0]) + more
    domain, rng = _domain(costs, [room]), np.random.default_rng(0)
    fitting = _fitting(costs, [room])
    assert len(fitting) > 1
    for path in fitting:
        near = {other for other in fitting if 1 <= sum(a != b for a, b in zip(path, other, strict=True)) <= 2}
        drawn = {domain.mutate(path, rng) for _ in range(200)}
        assert drawn <= (near or fitting)
        assert path not in drawn or not near


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_networks_of_nearly_the_same_cost(share: float) -> None:
    costs = _costs(1, (7,) * 21)
    low, high = sum(min(layer) for layer in costs[0]), sum(max(layer) for layer in costs[0])
    room = low + share * (high - low)
    domain, rng = _domain(costs, [room]), np.random.default_rng(0)
    drawn = [path for _ in range(50) if (path := domain.random_near(rng))]
    used = [_spent(costs, path)[0] / room for path in drawn]
    assert len(used) == 50 and min(used) >= 0.95 and max(used) <= 1
    assert _domain(costs, [1.2 * high]).random_near(rng) is None


def test_networks_near_whichever_bound_holds_them_back() -> None:
    """The first bound allows nearly everything, the second is tight."""
    costs = _costs(2, (7,) * 21)
    high = sum(max(layer) for layer in costs[0])
    low = sum(min(layer) for layer in costs[1])
    room = [0.98 * high, 1.5 * low]
    domain, rng = _domain(costs, room), np.random.default_rng(0)
    drawn = [path for _ in range(50) if (path := domain.random_near(rng))]
    used = np.array([_spent(costs, path) for path in drawn]) / room
    assert len(set(drawn)) == 50
    assert used.max() <= 1 and used[:, 1].min() >= 0.95 > used[:, 0].max()


def test_a_known_network_is_what_is_left_where_no_other_is_found() -> None:
    """Two bounds that hardly any network keeps: what oversteps the one less oversteps the other more."""
    rng = np.random.default_rng(0)
    costs = [[[0.0, float(weight)] for weight in rng.integers(10**6, 10**7, 40)]]
    costs.append([[row[1], 0.0] for row in costs[0]])
    known = tuple(int(bit) for bit in rng.integers(0, 2, 40))
    room = _spent(costs, known)
    with pytest.raises(InputError, match="no network was found"):
        _domain(costs, room).random(np.random.default_rng(1))
    assert _domain(costs, room, known).random(np.random.default_rng(1)) == known
