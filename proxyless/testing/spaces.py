"""What every space must go through: a search, and the model files of its networks."""

import random
from pathlib import Path

import pytest
import torch

from latency.writers.graph import lower, random_weights
from proxyless.nn import build_network
from proxyless.ops import network_cost
from proxyless.search.config import SearchSettings
from proxyless.space import Space, load_space
from proxyless.testing.problems import table_by_macs
from proxyless.workflow.search import search

_RESOLUTION, _CLASSES = 16, 10


class SpaceContract:
    """space: its name."""

    space: str

    def build(self, folder: Path) -> Space:
        """A small one. folder: an empty one, for a space that is a file."""
        return self.load(self.space)

    @staticmethod
    def load(name: str) -> Space:
        """By name, or from a file."""
        return load_space(name, {"resolution": _RESOLUTION, "num_classes": _CLASSES})

    @pytest.mark.slow
    @pytest.mark.parametrize("warmup_weights", ["shared", "own"])
    def test_it_is_searched(self, warmup_weights: str, tmp_path: Path) -> None:
        space = self.build(tmp_path)
        settings = SearchSettings.make(
            "test", warmup_weights=warmup_weights, warmup_epochs=1, epochs=1, batch_size=8, limit=60
        )
        table = table_by_macs(space)
        found = search(space, "synthetic:100", table, "50%", tmp_path / "run", settings)
        assert found.target is not None and table.predict(found.layers) <= found.target.budget_ms

    def test_its_networks_are_what_is_counted(self, tmp_path: Path) -> None:
        space, rng = self.build(tmp_path), random.Random(0)  # noqa: S311
        for _ in range(5):
            layers = space.network(space.random_ops(rng))
            network = build_network(layers).eval()
            assert sum(parameter.numel() for parameter in network.parameters()) == network_cost(layers).params
            assert network(torch.zeros(1, 3, _RESOLUTION, _RESOLUTION)).shape == (1, _CLASSES)
            graph = lower(layers, random_weights())
            assert graph.shapes[-1] == (_CLASSES,)
            assert all(source < i for i, node in enumerate(graph.nodes, 1) for source in node.sources)
