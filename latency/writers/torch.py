"""Write a graph for the torch runner: a NumPy archive with a JSON description (no torch, no pickle)."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from latency.writers.graph import Graph


def write_torch(graph: Graph, path: Path) -> None:
    """Arrays `w<i>` and `b<i>` belong to node i; `graph` is the description."""
    arrays: dict[str, np.ndarray] = {}
    for index, (weight, bias) in graph.weights.items():
        arrays[f"w{index}"], arrays[f"b{index}"] = weight, bias
    *size, channels = graph.shapes[0]
    nodes = [{"op": type(node).__name__, "sources": node.sources, **asdict(node)} for node in graph.nodes]
    description = {"input": [graph.batch, channels, *size], "nodes": nodes}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, graph=np.array(json.dumps(description)), **arrays)
