"""Write a graph for ncnn directly: its text of layers and its weights, together in one zip archive."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from latency.writers.graph import Add, Conv, Graph, Linear, Node, Pool

_MAGIC = "7767517"
_RAW_FLOAT32 = np.zeros(1, np.uint32).tobytes()
"""Says, in front of weights, how they are stored."""
_ACTIVATIONS = {
    "none": "9=0",
    "relu": "9=1",
    "relu6": "9=3 -23310=2,0.0,6.0",
    "h_swish": f"9=6 -23310=2,{1 / 6:.8f},0.5",
}
"""Fused into the convolution: its kind, and an array of two parameters."""


def write_ncnn(graph: Graph, path: Path) -> None:
    """Blob `in0` is (C, H, W), `out0` the result; the archive holds `model.param` and `model.bin`."""
    lines, weights = _Lines(graph), bytearray()
    for index, node in enumerate(graph.nodes):
        lines.add(node, index)
        if isinstance(node, Conv | Linear):
            weights += _RAW_FLOAT32 + node.weight.astype("<f4").tobytes() + node.bias.astype("<f4").tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.param", lines.text())
        archive.writestr("model.bin", bytes(weights))


class _Lines:
    """The layers as text. ncnn wants a Split wherever a tensor is read more than once."""

    def __init__(self, graph: Graph) -> None:
        self.last = len(graph.nodes)
        self.readers = Counter([*range(self.last), *(node.other for node in graph.nodes if isinstance(node, Add))])
        self.unread: dict[int, list[str]] = {}
        self.lines: list[str] = []
        self.blobs = 0
        height, width, channels = graph.shapes[0]
        self._layer("Input", [], 0, f"0={width} 1={height} 2={channels}")

    def add(self, node: Node, index: int) -> None:
        source = self.unread[index].pop()
        match node:
            case Conv():
                kind = "ConvolutionDepthWise" if node.groups > 1 else "Convolution"
                self._layer(kind, [source], index + 1, _conv(node))
            case Add():
                self._layer("BinaryOp", [self.unread[node.other].pop(), source], index + 1, "0=0")
            case Pool():
                self._layer("Pooling", [source], index + 1, "0=1 4=1")
            case Linear():
                self._layer("InnerProduct", [source], index + 1, f"0={len(node.bias)} 1=1 2={node.weight.size}")

    def text(self) -> str:
        return "\n".join([_MAGIC, f"{len(self.lines)} {self.blobs}", *self.lines, ""])

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
    out_channels, _, kernel, _ = node.weight.shape
    sizes = f"0={out_channels} 1={kernel} 3={node.stride} 4={kernel // 2} 5=1 6={node.weight.size}"
    groups = f" 7={node.groups}" if node.groups > 1 else ""
    return f"{sizes}{groups} {_ACTIVATIONS[node.act]}"
