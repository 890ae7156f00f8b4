"""What every space must go through: a search, and the model files of its networks."""

import random
from pathlib import Path

import pytest
import torch

from latency.writers.graph import lower, random_weights
from proxyless.nn import build_network
from proxyless.ops import network_cost
from proxyless.search.config import SearchSettings
from proxyless.space import SPACES, Space, load_space
from proxyless.space.declared import TEMPLATE, is_file
from proxyless.workflow.search import search
from tests.helpers import table_by_macs

_SPACES = [*SPACES, "template.yaml"]


def _small(name: str, folder: Path) -> Space:
    if is_file(name):
        (folder / name).write_text(TEMPLATE)
        name = str(folder / name)
    return load_space(name, {"resolution": 16, "num_classes": 10})


@pytest.mark.slow
@pytest.mark.parametrize("warmup_weights", ["shared", "own"])
@pytest.mark.parametrize("name", _SPACES)
def test_it_is_searched(name: str, warmup_weights: str, tmp_path: Path) -> None:
    space = _small(name, tmp_path)
    settings = SearchSettings.make(
        "test", warmup_weights=warmup_weights, warmup_epochs=1, epochs=1, batch_size=8, limit=60
    )
    table = table_by_macs(space)
    found = search(space, "synthetic:100", table, "50%", tmp_path / "run", settings)
    assert found.target is not None and table.predict(found.layers) <= found.target.budget_ms


@pytest.mark.parametrize("name", _SPACES)
def test_its_networks_are_what_is_counted(name: str, tmp_path: Path) -> None:
    space, rng = _small(name, tmp_path), random.Random(0)
    for _ in range(5):
        layers = space.network(space.random_ops(rng))
        network = build_network(layers).eval()
        assert sum(parameter.numel() for parameter in network.parameters()) == network_cost(layers).params
        assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 10)
        graph = lower(layers, random_weights())
        assert graph.shapes[-1] == (10,) and all(
            source < i for i, n in enumerate(graph.nodes, 1) for source in n.sources
        )
