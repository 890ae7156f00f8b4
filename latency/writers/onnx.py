"""Write a graph as ONNX directly, in milliseconds, with the operators that torch's exporter produces."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from latency.writers.graph import Add, Conv, Graph, Linear, Node, Pool

OPSET = 20
IR_VERSION = 10
_FLOAT = TensorProto.FLOAT


def write_onnx(graph: Graph, path: Path) -> None:
    """Input `images` is (N, C, H, W)."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, np.ndarray] = {}
    for index, node in enumerate(graph.nodes):
        nodes += _nodes(node, index, constants)
    last = f"t{len(graph.nodes)}"
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "network",
            [helper.make_tensor_value_info("t0", _FLOAT, _nchw(graph, 0))],
            [helper.make_tensor_value_info(last, _FLOAT, _nchw(graph, len(graph.nodes)))],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    path.write_bytes(model.SerializeToString())


def _nchw(graph: Graph, tensor: int) -> list[int]:
    *size, channels = graph.shapes[tensor]
    return [graph.batch, channels, *size]


def _nodes(node: Node, index: int, constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    source, target = f"t{index}", f"t{index + 1}"
    match node:
        case Conv():
            return _conv(node, source, target, constants)
        case Add():
            return [helper.make_node("Add", [f"t{node.other}", source], [target])]
        case Pool():
            constants["pool_axes"] = np.array([2, 3], np.int64)
            constants["flat_shape"] = np.array([0, -1], np.int64)
            pooled = f"{target}_pooled"
            return [
                helper.make_node("ReduceMean", [source, "pool_axes"], [pooled], keepdims=1),
                helper.make_node("Reshape", [pooled, "flat_shape"], [target]),
            ]
        case Linear():
            names = _store(node, target, constants)
            return [helper.make_node("Gemm", [source, *names], [target], transB=1)]


def _store(node: Conv | Linear, name: str, constants: dict[str, np.ndarray]) -> list[str]:
    constants[f"{name}_weight"] = node.weight
    constants[f"{name}_bias"] = node.bias
    return [f"{name}_weight", f"{name}_bias"]


def _conv(node: Conv, source: str, target: str, constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    kernel = node.weight.shape[2]
    out = target if node.act == "none" else f"{target}_linear"
    conv = helper.make_node(
        "Conv",
        [source, *_store(node, target, constants)],
        [out],
        kernel_shape=[kernel, kernel],
        strides=[node.stride] * 2,
        pads=[kernel // 2] * 4,
        group=node.groups,
    )
    match node.act:
        case "none":
            return [conv]
        case "relu6":
            constants["zero"], constants["six"] = np.array(0, np.float32), np.array(6, np.float32)
            return [conv, helper.make_node("Clip", [out, "zero", "six"], [target])]
        case "relu":
            return [conv, helper.make_node("Relu", [out], [target])]
        case _:
            return [conv, helper.make_node("HardSwish", [out], [target])]
