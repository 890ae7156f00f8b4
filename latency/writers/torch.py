"""Write a graph for the torch runner: a NumPy archive with a JSON description (no torch, no pickle)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from latency.writers.graph import Add, Conv, Graph, Linear, Node, Pool


def write_torch(graph: Graph, path: Path) -> None:
    """Arrays `w<i>` and `b<i>` belong to node i; `graph` is the description."""
    arrays: dict[str, np.ndarray] = {}
    for index, node in enumerate(graph.nodes):
        if isinstance(node, Conv | Linear):
            arrays[f"w{index}"], arrays[f"b{index}"] = node.weight, node.bias
    *size, channels = graph.shapes[0]
    description = {"input": [graph.batch, channels, *size], "nodes": [_describe(node) for node in graph.nodes]}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, graph=np.array(json.dumps(description)), **arrays)


def _describe(node: Node) -> dict[str, Any]:
    match node:
        case Conv():
            padding = node.weight.shape[2] // 2
            return {"op": "conv", "stride": node.stride, "padding": padding, "groups": node.groups, "act": node.act}
        case Add():
            return {"op": "add", "other": node.other}
        case Pool():
            return {"op": "pool"}
        case Linear():
            return {"op": "linear"}
