"""Write a graph for ExecuTorch: through torch's exporter and XNNPACK's partitioner, one to three seconds per model."""

import warnings
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn

from latency.writers.graph import Add, Conv, Graph, Linear, Node, Pool

_ACTIVATIONS = {"none": nn.Identity, "relu": nn.ReLU, "relu6": nn.ReLU6, "h_swish": nn.Hardswish}


def write_executorch(graph: Graph, path: Path) -> None:
    """The input is (N, C, H, W) in channels-last order, as XNNPACK computes: no layer pays for a transposition.

    ExecuTorch neither checks that order nor tells it: the method `channels_last` is there to say so.
    """
    *size, channels = graph.shapes[0]
    images = torch.zeros(graph.batch, channels, *size).contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of torch's own deprecations, hundreds of times
        exported = torch.export.export(_Network(graph).eval(), (images,))
        lowered = to_edge_transform_and_lower(
            exported, partitioner=[XnnpackPartitioner()], constant_methods={"channels_last": True}
        )
        program = lowered.to_executorch()
    path.write_bytes(program.buffer)


class _Network(nn.Module):
    """A graph as a module."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(node) for node in graph.nodes)
        self.others = [node.other if isinstance(node, Add) else None for node in graph.nodes]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tensors = [images]
        for layer, other in zip(self.layers, self.others, strict=True):
            tensors.append(layer(tensors[-1]) if other is None else tensors[other] + tensors[-1])
        return tensors[-1]


class _Pool(nn.Module):
    """Global average. The order of the dimensions is what XNNPACK can flatten without leaving it."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3), keepdim=True).permute(0, 2, 3, 1).flatten(1)


def _layer(node: Node) -> nn.Module:
    match node:
        case Conv():
            return _conv(node)
        case Add():
            return nn.Identity()
        case Pool():
            return _Pool()
        case Linear():
            return _with_weights(nn.Linear(node.weight.shape[1], node.weight.shape[0]), node)


def _conv(node: Conv) -> nn.Module:
    out_channels, per_group, kernel, _ = node.weight.shape
    in_channels = per_group * node.groups
    conv = nn.Conv2d(in_channels, out_channels, kernel, node.stride, kernel // 2, groups=node.groups)
    return nn.Sequential(_with_weights(conv, node), _ACTIVATIONS[node.act]())


def _with_weights(module: nn.Conv2d | nn.Linear, node: Conv | Linear) -> nn.Module:
    module.load_state_dict({"weight": torch.from_numpy(node.weight), "bias": torch.from_numpy(node.bias)})
    return module
