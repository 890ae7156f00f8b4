"""Bounds on parameters, MACs and memory against exhaustive counting and the liveness of tensors."""

import itertools
import random
from collections.abc import Iterator
from math import prod

import pytest

from latency.writers.graph import lower, random_weights
from proxyless.errors import InputError
from proxyless.ops import Add
from proxyless.space import Architecture, LayerSpec, Space, mobile_fixed, tiny_fixed
from proxyless.space.bounds import macs_bound, params_bound
from proxyless.space.memory import peak_bytes, within_memory
from tests.helpers import toy_space

_TOY = toy_space([(4, 2, 1), (8, 1, 2)], width=4, num_classes=3)


def _paths(space: Space) -> Iterator[tuple[int, ...]]:
    yield from itertools.product(*(range(len(layer.choices)) for layer in space.decisions))


def _cost(space: Space, path: tuple[int, ...]) -> Architecture:
    return Architecture(space, space.path_ops(path))


def test_parameters_and_macs_are_those_of_every_network() -> None:
    params, macs = params_bound(_TOY, 1e9), macs_bound(_TOY, 1e9)
    for path in _paths(_TOY):
        cost = _cost(_TOY, path).cost
        assert (params.cost(path), macs.cost(path)) == (cost.params, cost.macs)


def test_parameters_that_no_network_has() -> None:
    with pytest.raises(InputError, match=r"at most 10 parameters: they have from [\d,]+ to [\d,]+; ask for more"):
        params_bound(_TOY, 10)


def test_the_limit_on_memory_keeps_exactly_the_networks_within_it() -> None:
    peaks = {path: peak_bytes(_cost(_TOY, path).layers) for path in _paths(_TOY)}
    for limit in sorted(set(peaks.values())):
        kept = within_memory(_TOY, limit)
        networks = {
            tuple(full.choices.index(op) for full, op in zip(_TOY.decisions, ops, strict=True))
            for ops in itertools.product(*(layer.choices for layer in kept.decisions))
        }
        assert networks == {path for path, peak in peaks.items() if peak <= limit}


def test_memory_that_no_network_keeps_within() -> None:
    with pytest.raises(InputError, match=r"within 0.001 MB; ask for at least (\d+\.\d+) MB") as caught:
        within_memory(tiny_fixed(), 1000)
    needed = float(str(caught.value).split("at least ")[1].split(" MB")[0])
    assert within_memory(tiny_fixed(), needed * 1e6).size >= 1


def _liveness_bytes(layers: list[LayerSpec]) -> int:
    """The peak by counting, node by node, the tensors that were written and are still to be read."""
    graph = lower(layers, random_weights())
    last_read = {source: index for index, node in enumerate(graph.nodes) for source in node.sources}
    peaks = []
    for index, node in enumerate(graph.nodes):
        alive = [number for number in range(index + 1) if last_read[number] >= index]
        written = 0 if isinstance(node, Add) else prod(graph.shapes[index + 1])  # an addition acts in place
        peaks.append(written + sum(prod(graph.shapes[number]) for number in alive))
    return 4 * max(peaks)


@pytest.mark.parametrize(
    "space", [tiny_fixed(), mobile_fixed(resolution=64), mobile_fixed(resolution=37)], ids=["tiny-fixed", "64", "37"]
)
def test_the_peak_is_that_of_the_lowered_networks_liveness(space: Space) -> None:
    rng = random.Random(0)
    peaks = set()
    for _ in range(25):
        layers = space.network(space.random_ops(rng))
        assert peak_bytes(layers) == _liveness_bytes(layers)
        peaks.add(peak_bytes(layers))
    assert len(peaks) > 1
