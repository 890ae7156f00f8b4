"""Write a graph as TFLite directly, in milliseconds, with the operators that the LiteRT converter produces."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from latency.writers.graph import Add, Conv, Graph, Linear, Node, Pool

SIGNATURE = "serving_default"

_Builtin = schema.BuiltinOperator
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID
_FUSED = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def write_tflite(graph: Graph, path: Path) -> None:
    """Input is (N, H, W, C), float32."""
    path.write_bytes(_Writer(graph).finish())


class _Writer:
    """Builds the flatbuffer's tables; tensor and buffer numbers are positions in their lists."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[int, int] = {}

    def finish(self) -> bytes:
        source = first = self._tensor((self.graph.batch, *self.graph.shapes[0]))
        outputs = [first]
        for index, node in enumerate(self.graph.nodes):
            source = self._node(node, source, outputs, (self.graph.batch, *self.graph.shapes[index + 1]))
            outputs.append(source)
        return self._pack(first, source)

    def _pack(self, first: int, last: int) -> bytes:
        subgraph = schema.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs, subgraph.name = [first], [last], "main"
        model = schema.ModelT()
        model.version, model.description = 3, "latency profile"
        model.operatorCodes = [_operator_code(code) for code in self.codes]
        model.subgraphs, model.buffers = [subgraph], self.buffers
        model.signatureDefs = [_signature(first, last)]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _tensor(self, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.name = list(shape), f"t{len(self.tensors)}"
        tensor.type = schema.TensorType.INT32 if data is not None and data.dtype == np.int32 else 0
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _constant(self, data: np.ndarray) -> int:
        return self._tensor(data.shape, data)

    def _operator(self, code: int, inputs: list[int], shape: tuple[int, ...], options: Any, kind: int = 0) -> int:
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.setdefault(code, len(self.codes))
        operator.inputs, operator.outputs = inputs, [self._tensor(shape)]
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.operators.append(operator)
        return len(self.tensors) - 1

    def _node(self, node: Node, source: int, outputs: list[int], shape: tuple[int, ...]) -> int:
        options = schema.BuiltinOptions
        match node:
            case Conv():
                return self._conv(node, source, shape)
            case Add():
                add = schema.AddOptionsT()
                return self._operator(_Builtin.ADD, [outputs[node.other], source], shape, add, options.AddOptions)
            case Pool():
                axes = self._constant(np.array([1, 2], np.int32))
                return self._operator(
                    _Builtin.MEAN, [source, axes], shape, schema.ReducerOptionsT(), options.ReducerOptions
                )
            case Linear():
                inputs = [source, self._constant(node.weight), self._constant(node.bias)]
                linear = schema.FullyConnectedOptionsT()
                return self._operator(_Builtin.FULLY_CONNECTED, inputs, shape, linear, options.FullyConnectedOptions)

    def _conv(self, node: Conv, source: int, shape: tuple[int, ...]) -> int:
        kernel = node.weight.shape[2]
        padding = _SAME
        if kernel == 1 or node.stride > 1:
            padding = _VALID
        # torch pads both sides alike; TFLite's SAME at stride 2 does not, so the padding is explicit.
        if kernel > 1 and node.stride > 1:
            source = self._pad(source, kernel // 2)
        options: Any = schema.DepthwiseConv2DOptionsT() if node.depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = padding, node.stride, node.stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = _FUSED.get(node.act, _FUSED["none"])
        if node.depthwise:
            options.depthMultiplier = 1
            code, kind = _Builtin.DEPTHWISE_CONV_2D, schema.BuiltinOptions.DepthwiseConv2DOptions
            weight = node.weight.transpose(1, 2, 3, 0)
        else:
            code, kind = _Builtin.CONV_2D, schema.BuiltinOptions.Conv2DOptions
            weight = node.weight.transpose(0, 2, 3, 1)
        inputs = [source, self._constant(weight), self._constant(node.bias)]
        out = self._operator(code, inputs, shape, options, kind)
        return out if node.act in _FUSED else self._operator(_Builtin.HARD_SWISH, [out], shape, None)

    def _pad(self, source: int, pixels: int) -> int:
        batch, height, width, channels = self.tensors[source].shape
        amounts = np.array([[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], np.int32)
        shape = (batch, height + 2 * pixels, width + 2 * pixels, channels)
        options = schema.PadOptionsT()
        return self._operator(
            _Builtin.PAD, [source, self._constant(amounts)], shape, options, schema.BuiltinOptions.PadOptions
        )


def _operator_code(code: int) -> Any:
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
    operator_code.version = 1
    return operator_code


def _signature(source: int, target: int) -> Any:
    """Names of input and output: what calibrates a model for int8 asks for them."""
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs, signature.outputs = [_tensor_map("images", source)], [_tensor_map("logits", target)]
    return signature


def _tensor_map(name: str, index: int) -> Any:
    tensor_map = schema.TensorMapT()
    tensor_map.name, tensor_map.tensorIndex = name, index
    return tensor_map
