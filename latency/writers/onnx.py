"""Write a graph as ONNX directly, in milliseconds, with the operators that torch's exporter produces."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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

OPSET = 20
IR_VERSION = 10
_FLOAT = TensorProto.FLOAT
_ACTIVATIONS = {"relu": "Relu", "h_swish": "HardSwish", "h_sigmoid": "HardSigmoid", "sigmoid": "Sigmoid"}


def write_onnx(graph: Graph, path: Path) -> None:
    """Input `t0` is (N, C, H, W)."""
    writer = _Writer(graph)
    for index in range(len(graph.nodes)):
        writer.add(index)
    last = f"t{len(graph.nodes)}"
    model = helper.make_model(
        helper.make_graph(
            writer.nodes,
            "network",
            [helper.make_tensor_value_info("t0", _FLOAT, _nchw(graph, 0))],
            [helper.make_tensor_value_info(last, _FLOAT, _nchw(graph, len(graph.nodes)))],
            [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    path.write_bytes(model.SerializeToString())


def _nchw(graph: Graph, tensor: int) -> list[int]:
    *size, channels = graph.shapes[tensor]
    return [graph.batch, channels, *size]


class _Writer:
    """Collects ONNX nodes, and constants by name."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, index: int) -> None:
        node, target = self.graph.nodes[index], f"t{index + 1}"
        sources = [f"t{source}" for source in node.sources]
        match node:
            case Conv():
                sizes = {
                    "kernel_shape": [node.kernel] * 2,
                    "strides": [node.stride] * 2,
                    "pads": [node.kernel // 2] * 4,
                }
                self._act(node.act, target, "Conv", [*sources, *self._weights(index)], group=node.groups, **sizes)
            case Linear():
                self._act(node.act, target, "Gemm", [*sources, *self._weights(index)], transB=1)
            case Act():
                self._activation(node.act, sources[0], target)
            case Affine():
                self._affine(node, sources[0], target)
            case GlobalPool():
                axes = self._constant("pool_axes", np.array([2, 3], np.int64))
                self._node("ReduceMean", [*sources, axes], target, keepdims=1)
            case Flatten():
                shape = self._constant("flat_shape", np.array([0, -1], np.int64))
                self._node("Reshape", [*sources, shape], target)
            case Pool():
                self._pool(node, sources, target)
            case Shuffle() | Slice() | Concat():
                self._channels(node, sources, target)
            case Add() | Mul():
                self._node(type(node).__name__, sources, target)

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value
        return name

    def _weights(self, index: int) -> list[str]:
        weight, bias = self.graph.weights[index]
        return [self._constant(f"t{index + 1}_weight", weight), self._constant(f"t{index + 1}_bias", bias)]

    def _act(self, act: Elementary, target: str, kind: str, inputs: list[str], **attributes: object) -> None:
        """An operator and the activation of its output."""
        linear = target if act == "none" else f"{target}_linear"
        self._node(kind, inputs, linear, **attributes)
        if act != "none":
            self._activation(act, linear, target)

    def _activation(self, act: Elementary, source: str, target: str) -> None:
        match act:
            case "relu6":
                limits = [
                    self._constant("zero", np.array(0, np.float32)),
                    self._constant("six", np.array(6, np.float32)),
                ]
                self._node("Clip", [source, *limits], target)
            case "swish":
                self._node("Sigmoid", [source], f"{target}_share")
                self._node("Mul", [source, f"{target}_share"], target)
            case "h_sigmoid":
                self._node("HardSigmoid", [source], target, alpha=1 / 6, beta=0.5)
            case _:
                self._node(_ACTIVATIONS[act], [source], target)

    def _affine(self, node: Affine, source: str, target: str) -> None:
        for number, (kind, value) in enumerate(node.steps, 1):
            made = target if number == len(node.steps) else f"{target}_scaled"
            self._node(kind, [source, self._constant(f"{made}_{kind}", np.array(value, np.float32))], made)
            source = made

    def _channels(self, node: Shuffle | Slice | Concat, sources: list[str], target: str) -> None:
        match node:
            case Shuffle():
                self._shuffle(node, sources[0], target)
            case Slice():
                self._slice(node, sources[0], target)
            case Concat():
                self._node("Concat", sources, target, axis=1)

    def _shuffle(self, node: Shuffle, source: str, target: str) -> None:
        height, width, channels = self.graph.shapes[node.source]
        apart = [-1, height, width, node.groups, channels // node.groups]
        shapes = [np.array(shape, np.int64) for shape in (apart, [-1, height, width, channels])]
        names = [f"{target}_{step}" for step in ("last", "apart", "turned", "together")]
        self._node("Transpose", [source], names[0], perm=[0, 2, 3, 1])
        self._node("Reshape", [names[0], self._constant(f"{target}_groups", shapes[0])], names[1])
        self._node("Transpose", [names[1]], names[2], perm=[0, 1, 2, 4, 3])
        self._node("Reshape", [names[2], self._constant(f"{target}_channels", shapes[1])], names[3])
        self._node("Transpose", [names[3]], target, perm=[0, 3, 1, 2])

    def _slice(self, node: Slice, source: str, target: str) -> None:
        size = self.graph.shapes[node.source][-1] // node.parts
        numbers = {"first": node.first * size, "stop": node.stop * size, "axis": 1, "step": 1}
        limits = [self._constant(f"{target}_{name}", np.array([value])) for name, value in numbers.items()]
        self._node("Slice", [source, *limits], target)

    def _pool(self, node: Pool, sources: list[str], target: str) -> None:
        window = _window(node.kernel, node.stride, node.padding)
        if node.kind == "max":
            self._node("MaxPool", sources, target, **window)
        else:
            self._node("AveragePool", sources, target, count_include_pad=0, **window)


def _window(kernel: int, stride: int, padding: int) -> dict[str, object]:
    return {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
