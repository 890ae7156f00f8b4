"""Spaces whose layers depend on several decisions, against all of their networks."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from proxyless.errors import InputError
from proxyless.search.architecture import ArchitectureLogits, ExpectedCosts
from proxyless.search.derive import derive_path, derive_paths
from proxyless.search.domain import BoundedDomain
from proxyless.space import Architecture, Space, build_space, declared_space, network_cost
from proxyless.space.bounds import Bound, keeps, latency_bound, macs_bound, params_bound
from proxyless.space.factors import least_by_choice
from proxyless.space.memory import memory_bound, peak_bytes, within_memory
from tests.helpers import elastic_space, every_path, table_by_macs

_SPACE = elastic_space()
_PATHS = every_path(_SPACE)


def _choices(name: str) -> tuple[str, ...]:
    return next(decision.choices for decision in _SPACE.decisions if decision.name == name)


def test_the_decisions_are_those_of_the_definition() -> None:
    assert [(d.name, d.kind) for d in _SPACE.decisions] == [
        ("resolution", "resolution"),
        ("stem.width", "width"),
        ("stage1.width", "width"),
        ("stage1.depth", "depth"),
        ("stage1.blocks", "operation"),
        ("stage2.width", "width"),
        ("stage2.block1", "operation"),
        ("stage2.block2", "operation"),
    ]
    assert _choices("stage2.block1") == ("k3", "k5") and _choices("stage2.block2") == ("k3", "k5", "skip")
    assert _SPACE.size == len(_PATHS) == 384


def test_every_network_chains_and_has_what_was_chosen() -> None:
    for path in _PATHS:
        chosen = dict(zip((d.name for d in _SPACE.decisions), _SPACE.path_ops(path), strict=True))
        layers = _SPACE.path_network(path)
        assert all(before.out_shape == after.in_shape for before, after in pairwise(layers))
        side = int(chosen["resolution"])
        assert layers[0].in_shape == (side, side, 3) and layers[-1].out_shape == (1, 1, 3)
        blocks = layers[1:-2]
        assert layers[0].out_shape[2] == int(chosen["stem.width"])
        first = blocks[: int(chosen["stage1.depth"])]
        assert {block.out_shape[2] for block in first} == {int(chosen["stage1.width"])}
        assert {f"k{block.kernel}" for block in first} == {chosen["stage1.blocks"]}
        rest = blocks[len(first) :]
        assert len(rest) == 1 + (chosen["stage2.block2"] != "skip")
        assert all(block.out_shape[2] == int(chosen["stage2.width"]) and block.se > 0 for block in rest)
        for block in blocks:
            assert block.residual == (block.stride == 1 and block.in_shape == block.out_shape)


def test_costs_are_those_of_every_network_and_their_extremes_are_found() -> None:
    params, macs = params_bound(_SPACE, 1e9), macs_bound(_SPACE, 1e9)
    costs = [Architecture(_SPACE, _SPACE.path_ops(path)).cost for path in _PATHS]
    assert [params.cost(path) for path in _PATHS] == [cost.params for cost in costs]
    assert [macs.cost(path) for path in _PATHS] == [cost.macs for cost in costs]
    for bound in (params, macs):
        values = [bound.cost(path) for path in _PATHS]
        assert (bound.min_cost, bound.max_cost) == (min(values), max(values))
        for decision, size in enumerate(_SPACE.sizes):
            least = bound.constant + least_by_choice(bound.factors, _SPACE.sizes, decision)
            for choice in range(size):
                mine = [value for path, value in zip(_PATHS, values, strict=True) if path[decision] == choice]
                assert least[choice] == min(mine)


def test_the_costs_of_choices_differ_as_those_of_the_networks_do_on_average() -> None:
    bound = macs_bound(_SPACE, 1e9)
    architecture, probs = _random_probs(0)
    rows = [np.exp(row) for row in architecture.log_probs()]
    for decision, size in enumerate(_SPACE.sizes):
        means = []
        for choice in range(size):
            mine = [(p, bound.cost(x)) for p, x in zip(probs, _PATHS, strict=True) if x[decision] == choice]
            means.append(sum(p * cost for p, cost in mine) / sum(p for p, _ in mine))
        assert np.ptp(np.array(bound.choices(decision, rows)) - means) == pytest.approx(0, abs=1e-6)


def test_every_network_has_one_canonical_path() -> None:
    networks: dict[tuple[object, ...], set[tuple[int, ...]]] = {}
    for path in _DEEP_PATHS:
        canonical = _DEEP.canonical(path)
        assert _DEEP.path_network(canonical) == _DEEP.path_network(path) and _DEEP.canonical(canonical) == canonical
        networks.setdefault(tuple(_DEEP.path_network(path)), set()).add(canonical)
    assert {len(paths) for paths in networks.values()} == {1}
    assert len(networks) == 2 + 4 + 8 < len(_DEEP_PATHS)
    for path in _DEEP_PATHS:  # by their definition: a decision has a say where another choice is another network
        layers = _DEEP.path_network(path)
        others = [[[*path[:d], c, *path[d + 1 :]] for c in range(size)] for d, size in enumerate(_DEEP.sizes)]
        live = [d for d, each in enumerate(others) if any(_DEEP.path_network(other) != layers for other in each)]
        assert _DEEP.live(path) == live


_DEEP = declared_space(
    {
        "name": "deep",
        "resolution": 16,
        "stem": {"width": 8},
        "stages": [
            {"width": 16, "depth": [3, 1, 2], "stride": 2, "ops": {"a": {"expand": 1}, "b": {"kernel": 7, "expand": 6}}}
        ],
        "head": {"width": 16},
    }
)
_DEEP_PATHS = every_path(_DEEP)


def test_what_is_derived_are_distinct_networks() -> None:
    bound = macs_bound(_DEEP, 1e9)
    rows = [np.log([0.98, 0.01, 0.01]).tolist(), *[np.log([0.2, 0.8]).tolist()] * 3]
    found = derive_paths(rows, [replace(bound, least=0.0)], 100, _DEEP.live)
    assert len(found) == len({tuple(_DEEP.path_network(path)) for path in found})
    assert len(found) == 2 + 4  # a depth of 3 costs four times as much as one of 1, and has no evidence


def test_a_dear_operation_of_a_block_beyond_the_likely_depth_needs_evidence_too() -> None:
    bound = macs_bound(_DEEP, 1e9)
    dear = bound.cost(_DEEP.ops_path(["2", "a", "b", "a"]))
    rows = [np.log([0.55, 0.44, 0.01]).tolist(), *[np.log([0.99, 0.01]).tolist()] * 3]
    found = derive_path(rows, [replace(bound, limit=dear, least=0.97 * dear)])
    assert "b" not in _DEEP.path_ops(_DEEP.canonical(found))


def test_numbers_are_in_order_whatever_the_definition_says() -> None:
    assert _DEEP.decisions[0].choices == ("1", "2", "3")


def test_a_kind_of_block_that_changes_with_its_width_is_refused() -> None:
    with pytest.raises(InputError, match="operation 'a' has other parts as"):
        declared_space(
            {
                "name": "mine",
                "stem": {"width": 8},
                "stages": [{"width": [16, 64], "depth": 2, "ops": {"a": {"expand": 1.02}}}],
                "head": {"width": 16},
            }
        )


def test_too_many_combinations_are_refused_at_once() -> None:
    many = list(range(8, 8 * 64, 8))
    with pytest.raises(InputError, match="combinations of resolution, widths and operations in one place"):
        declared_space(
            {
                "name": "mine",
                "resolution": many,
                "stem": {"width": many},
                "stages": [{"width": many, "ops": {"a": {}}}],
                "head": {"width": 16},
            }
        )


def _random_probs(seed: int) -> tuple[ArchitectureLogits, list[float]]:
    """Logits, and the probability of every network."""
    architecture = ArchitectureLogits(_SPACE, seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        architecture.logits.add_(torch.randn(architecture.logits.shape, generator=generator, dtype=torch.double))
    rows = architecture.log_probs()
    return architecture, [math.exp(sum(row[choice] for row, choice in zip(rows, path, strict=True))) for path in _PATHS]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_expectation_is_that_over_all_networks_and_so_is_its_gradient(seed: int) -> None:
    bounds = (params_bound(_SPACE, 1e4), macs_bound(_SPACE, 1e6))
    expected = ExpectedCosts(bounds).double()
    architecture, probs = _random_probs(seed)
    ratios = expected(architecture.probs())
    for bound, ratio in zip(bounds, ratios.tolist(), strict=True):
        by_hand = sum(p * bound.cost(path) for p, path in zip(probs, _PATHS, strict=True)) / bound.limit
        assert ratio == pytest.approx(by_hand, rel=1e-6)
    (gradient,) = torch.autograd.grad(ratios.sum(), architecture.logits)
    for decision, size in enumerate(_SPACE.sizes):
        for choice in range(size):
            values = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    architecture.logits[decision, choice] += step
                    values.append(float(expected(architecture.probs()).sum()))
                    architecture.logits[decision, choice] -= step
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(gradient[decision, choice]), abs=1e-7)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_derived_is_the_most_probable_network_within_all_bounds(seed: int, share: float) -> None:
    architecture, _ = _random_probs(seed)
    rows = architecture.log_probs()
    bounds = [_at(params_bound(_SPACE, 1e9), share), _at(macs_bound(_SPACE, 1e9), min(1.0, 1.5 * share))]
    value = {path: sum(row[op] for row, op in zip(rows, path, strict=True)) for path in _PATHS}
    fitting = sorted((path for path in _PATHS if keeps(path, bounds)), key=lambda path: -value[path])
    if not fitting:
        with pytest.raises(InputError, match="no network keeps all at once"):
            derive_path(rows, bounds)
        return
    found = derive_paths(rows, bounds, 8)
    assert [value[tuple(path)] for path in found] == pytest.approx([value[path] for path in fitting[:8]], abs=1e-4)
    assert len(set(map(tuple, found))) == min(8, len(fitting))


def _at(bound: Bound, share: float) -> Bound:
    limit = bound.min_cost + share * (bound.max_cost - bound.min_cost)
    return Bound(bound.name, bound.unit, bound.constant, bound.sizes, bound.factors, limit)


def test_random_networks_of_equal_cost_are_equally_likely_where_decisions_are_shared() -> None:
    """By pairs: of two networks within 2 % of each other's cost none is drawn much more often than the other."""
    bound = _at(macs_bound(_SPACE, 1e9), 0.4)
    domain, rng = BoundedDomain([bound]), np.random.default_rng(0)
    counts = Counter(domain.random(rng) for _ in range(20_000))
    assert all(keeps(path, [bound]) for path in counts)
    ranked = sorted((path for path in _PATHS if keeps(path, [bound])), key=bound.cost)
    assert len(counts) > 0.95 * len(ranked)
    for one, other in pairwise(ranked):
        if bound.cost(other) < 1.02 * bound.cost(one):
            spread = (counts[one] + counts[other]) ** 0.5
            assert abs(counts[one] - counts[other]) < 4.5 * spread + 0.05 * counts[one]


def test_a_limit_on_memory_keeps_exactly_the_networks_within_it() -> None:
    peaks = {path: peak_bytes(_SPACE.path_network(path)) for path in _PATHS}
    for limit in sorted(set(peaks.values()))[::3]:
        kept = within_memory(_SPACE, limit)
        bound = memory_bound(kept, limit)
        networks = {
            _SPACE_path(kept, path) for path in every_path(kept) if bound is None or bound.cost(path) <= bound.limit
        }
        assert networks == {path for path, peak in peaks.items() if peak <= limit}


def _SPACE_path(kept: Space, path: tuple[int, ...]) -> tuple[int, ...]:  # noqa: N802
    return tuple(_SPACE.ops_path(kept.path_ops(path)))


def test_a_latency_table_has_the_costs_of_every_network() -> None:
    table = table_by_macs(_SPACE)
    bound = latency_bound(table.costs(_SPACE), 1.0)
    for path in _PATHS[::7]:
        assert bound.cost(path) == pytest.approx(network_cost(_SPACE.path_network(path)).macs / 1e6)


@pytest.mark.parametrize("name", ["tiny", "mobile"])
@pytest.mark.parametrize("factor", [0, 1, 2])
def test_searched_widths_hold_the_uniform_networks_at_every_width(name: str, factor: int) -> None:
    """A MobileNetV2 with a width multiplier: the same factor everywhere."""
    space = build_space(name, {"resolution": 64})
    width_mult = space.args["width_factors"][factor]
    fixed = build_space(f"{name}-fixed", {"resolution": 64, "width_mult": width_mult})
    ops = iter(["k3e6"] * len(fixed.decisions))
    widths = [
        str(layer.out_shape[2])
        for layer in fixed.path_network([fixed.decisions[0].choices.index("k3e6")] * len(fixed.decisions))
    ]
    stem, first, *blocks = fixed.path_network(fixed.ops_path(["k3e6"] * len(fixed.decisions)))
    by_name = {"stem.width": stem.out_shape[2], "fixed.width": first.out_shape[2]}
    for decision, block in zip(fixed.decisions, blocks, strict=False):
        by_name[decision.name.split(".")[0] + ".width"] = block.out_shape[2]
    chosen = [str(by_name[d.name]) if d.kind == "width" else next(ops) for d in space.decisions]
    found = space.network(chosen)
    if width_mult >= 1:  # the head of a scaled space grows with it
        found, blocks = found[:-2], blocks[:-2]
    else:
        blocks = blocks[:]
    assert found == [stem, first, *blocks] and widths


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": [32, 32]}, r"resolution of space 'mine' has a number twice, \[32, 32\]; name it once"),
        ({"resolution": [32, 4]}, "resolution of space 'mine' must be from 8 to 4096, got 4"),
        ({"resolution": []}, "resolution"),
        ({"stem": {"width": [8, 0]}}, "stem_width of space 'mine' must be from 1 to 65536, got 0"),
        ({"stages": [{"width": 8, "depth": [2, 2]}]}, r"stage1_depth of space 'mine' has a number twice, \[2, 2\]"),
        ({"stages": [{"width": [8, 8]}]}, r"stage1_width of space 'mine' has a number twice, \[8, 8\]"),
        ({"stages": [{"width": [8, -1]}]}, "stage1_width of space 'mine' must be from 1 to 65536, got -1"),
        ({"stages": [{"width": 8, "depth": [0, 2]}]}, r"depth must be from 1 to 1000, got \[0, 2\]"),
        ({"stages": [{"width": 8, "depth": [1, 2], "min_depth": 1}]}, "min_depth is for blocks that are chosen one by"),
        ({"stages": [{"width": 8, "depth": 2, "min_depth": 1, "shared": True}]}, "min_depth is for blocks that are"),
    ],
)
def test_bad_lists_get_one_sentence(changes: dict[str, object], message: str) -> None:
    good = {"name": "mine", "resolution": 32, "ops": {"a": {}}, "stem": {"width": 8}, "head": {"width": 16}}
    with pytest.raises(InputError, match=message):
        declared_space({**good, "stages": [{"width": 8}], **changes})
