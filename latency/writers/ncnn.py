"""Write a graph for ncnn directly: its text of layers and its weights, together in one zip archive."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from latency.writers.graph import Graph
from proxyless.ops import (
    Act,
    Add,
    Affine,
    Concat,
    Conv,
    Elementary,
    Flatten,
    GlobalPool,
    Linear,
    Mul,
    Pool,
    Shuffle,
    Slice,
)

_MAGIC = "7767517"
_RAW_FLOAT32 = np.zeros(1, np.uint32).tobytes()
"""Says, in front of weights, how they are stored."""
_ALONE: dict[Elementary, tuple[str, str]] = {
    "relu": ("ReLU", ""),
    "relu6": ("Clip", "0=0.0 1=6.0"),
    "swish": ("Swish", ""),
    "sigmoid": ("Sigmoid", ""),
    "h_swish": ("HardSwish", f"0={1 / 6:.8f} 1=0.5"),
    "h_sigmoid": ("HardSigmoid", f"0={1 / 6:.8f} 1=0.5"),
}
"""Layers of their own: the kind, and its parameters."""
_ACTIVATIONS: dict[Elementary, str] = {
    "none": "9=0",
    "relu": "9=1",
    "relu6": "9=3 -23310=2,0.0,6.0",
    "sigmoid": "9=4",
    "h_swish": f"9=6 -23310=2,{1 / 6:.8f},0.5",
}
"""Fused into the convolution: its kind, and an array of two parameters."""

_BINARY = {"Add": "0=0", "Mul": "0=2"}


def write_ncnn(graph: Graph, path: Path) -> None:
    """Blob `in0` is (C, H, W), `out0` the result; the archive holds `model.param` and `model.bin`."""
    lines, weights = _Lines(graph), bytearray()
    for index in range(len(graph.nodes)):
        lines.add(index)
        if index in graph.weights:
            weight, bias = graph.weights[index]
            weights += _RAW_FLOAT32 + weight.astype("<f4").tobytes() + bias.astype("<f4").tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.param", lines.text())
        archive.writestr("model.bin", bytes(weights))


class _Lines:
    """The layers as text. ncnn wants a Split wherever a tensor is read more than once."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.last = graph, len(graph.nodes)
        self.readers = Counter(source for node in graph.nodes for source in node.sources)
        self.unread: dict[int, list[str]] = {}
        self.lines: list[str] = []
        self.blobs = 0
        height, width, channels = graph.shapes[0]
        self._layer("Input", [], 0, f"0={width} 1={height} 2={channels}")

    def add(self, index: int) -> None:
        node = self.graph.nodes[index]
        inputs = [self.unread[source].pop() for source in node.sources]
        match node:
            case Conv():
                kind = "ConvolutionDepthWise" if node.groups > 1 else "Convolution"
                self._activated(node.act, kind, inputs, index + 1, _conv(node))
            case Linear():
                sizes = f"0={node.out_channels} 1=1 2={node.weights}"
                self._activated(node.act, "InnerProduct", inputs, index + 1, sizes)
            case Act():
                self._layer(_ALONE[node.act][0], inputs, index + 1, _ALONE[node.act][1])
            case Affine():
                self._affine(node, inputs, index + 1)
            case GlobalPool():  # flat at once, or to one pixel
                self._layer(
                    "Pooling", inputs, index + 1, "0=1 4=1" if self.graph.is_flattened(index) else "0=1 7=1 8=1 18=1"
                )
            case Flatten():
                self._layer("Noop" if self.graph.is_flattened(index - 1) else "Flatten", inputs, index + 1, "")
            case Pool():
                sizes = f"0={int(node.kind == 'mean')} 1={node.kernel} 2={node.stride} 3={node.padding} 5=1"
                self._layer("Pooling", inputs, index + 1, sizes)
            case Shuffle() | Slice() | Concat():
                self._layer(*self._channels(node, inputs, index + 1))
            case Add() | Mul():
                self._layer("BinaryOp", inputs, index + 1, _BINARY[type(node).__name__])

    def text(self) -> str:
        return "\n".join([_MAGIC, f"{len(self.lines)} {self.blobs}", *self.lines, ""])

    def _channels(
        self, node: Shuffle | Slice | Concat, inputs: list[str], tensor: int
    ) -> tuple[str, list[str], int, str]:
        """The arguments of `_layer`."""
        match node:
            case Shuffle():
                return "ShuffleChannel", inputs, tensor, f"0={node.groups}"
            case Slice():
                size = self.graph.shapes[node.source][-1] // node.parts
                limits = f"-23309=1,{node.first * size} -23310=1,{node.stop * size} -23311=1,0"
                return "Crop", inputs, tensor, limits
            case Concat():
                return "Concat", inputs, tensor, "0=0"

    def _activated(self, act: Elementary, kind: str, inputs: list[str], tensor: int, parameters: str) -> None:
        """With an activation, as part of the layer where ncnn has it there."""
        if act in _ACTIVATIONS:
            self._layer(kind, inputs, tensor, f"{parameters} {_ACTIVATIONS[act]}")
            return
        linear = f"t{tensor}_linear"
        self._line(kind, inputs, [linear], f"{parameters} {_ACTIVATIONS['none']}")
        self._layer(_ALONE[act][0], [linear], tensor, _ALONE[act][1])

    def _affine(self, node: Affine, inputs: list[str], tensor: int) -> None:
        *before, (kind, value) = node.steps
        for first, number in before:
            self._line("BinaryOp", inputs, [f"t{tensor}_scaled"], f"{_BINARY[first]} 1=1 2={number!r}")
            inputs = [f"t{tensor}_scaled"]
        self._layer("BinaryOp", inputs, tensor, f"{_BINARY[kind]} 1=1 2={value!r}")

    def _layer(self, kind: str, inputs: list[str], tensor: int, parameters: str) -> None:
        blob = {0: "in0", self.last: "out0"}.get(tensor, f"t{tensor}")
        self._line(kind, inputs, [blob], parameters)
        count = self.readers[tensor]
        self.unread[tensor] = [f"{blob}_{number}" for number in range(count)] if count > 1 else [blob]
        if count > 1:
            self._line("Split", [blob], self.unread[tensor])

    def _line(self, kind: str, inputs: list[str], outputs: list[str], parameters: str = "") -> None:
        fields = [kind, f"layer{len(self.lines)}", str(len(inputs)), str(len(outputs)), *inputs, *outputs, parameters]
        self.lines.append(" ".join(fields).rstrip())
        self.blobs += len(outputs)


def _conv(node: Conv) -> str:
    sizes = f"0={node.out_channels} 1={node.kernel} 3={node.stride} 4={node.kernel // 2} 5=1 6={node.weights}"
    return f"{sizes} 7={node.groups}" if node.groups > 1 else sizes
