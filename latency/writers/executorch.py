"""Write a graph for ExecuTorch: through torch's exporter and XNNPACK's partitioner, one to three seconds per model."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from latency.writers.graph import Graph
from proxyless.nn.blocks import Branch
from proxyless.ops import Conv, Linear, Node


def write_executorch(graph: Graph, path: Path) -> None:
    """The input is (N, C, H, W) in channels-last order, as XNNPACK computes: no layer pays for a transposition.

    ExecuTorch neither checks that order nor tells it: the method `channels_last` is there to say so.
    """
    *size, channels = graph.shapes[0]
    images = torch.zeros(graph.batch, channels, *size).contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of torch's own deprecations, hundreds of times
        exported = torch.export.export(_network(graph), (images,))
        lowered = to_edge_transform_and_lower(
            exported, partitioner=[XnnpackPartitioner()], constant_methods={"channels_last": True}
        )
        program = lowered.to_executorch()
    path.write_bytes(program.buffer)


def _network(graph: Graph) -> nn.Module:
    """The graph as a module; a convolution has its bias, as a graph has it, and no BatchNorm."""
    nodes = [_named(node, index) for index, node in enumerate(graph.nodes)]
    network = Branch(nodes, lambda _: nn.Identity())
    for index, (weight, bias) in graph.weights.items():
        state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        network.get_submodule(f"n{index}").load_state_dict(state)
    return network.eval()


def _named(node: Node, index: int) -> Node:
    if isinstance(node, Conv):
        return replace(node, name=f"n{index}", norm=False, bias=True)
    return replace(node, name=f"n{index}") if isinstance(node, Linear) else node
