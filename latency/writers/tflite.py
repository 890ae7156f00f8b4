"""Write a graph as TFLite directly, in milliseconds, with the operators that the LiteRT converter produces."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from latency.writers.fold import folded
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

SIGNATURE = "serving_default"

_Builtin = schema.BuiltinOperator
_SAME, _VALID = schema.Padding.SAME, schema.Padding.VALID
_SIXTH = Affine(0, 1 / 6, 0.0)
_FUSED = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def write_tflite(graph: Graph, path: Path) -> None:
    """Input is (N, H, W, C), float32."""
    path.write_bytes(_Writer(folded(graph)).finish())


class _Writer:
    """Builds the flatbuffer's tables; tensor and buffer numbers are positions in their lists."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[int, int] = {}

    def finish(self) -> bytes:
        made = [self._tensor((self.graph.batch, *self.graph.shapes[0]))]
        for index, node in enumerate(self.graph.nodes):
            made.append(self._node(index, [made[source] for source in node.sources]))
        return self._pack(made[0], made[-1])

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

    def _node(self, index: int, inputs: list[int]) -> int:
        shape = (self.graph.batch, *self.graph.shapes[index + 1])
        match node := self.graph.nodes[index]:
            case Conv():
                return self._conv(node, index, inputs[0], shape)
            case Linear():
                return self._linear(node, index, inputs[0], shape)
            case Act():
                return self._activation(node.act, inputs[0], shape)
            case Affine():
                return self._affine(node, inputs[0], shape)
            case GlobalPool():
                return self._mean(index, inputs[0], shape)
            case Flatten():
                return inputs[0] if self.graph.is_flattened(index - 1) else self._reshape(inputs[0], shape)
            case Pool():
                return self._pool(node, inputs[0], shape)
            case Shuffle() | Slice() | Concat():
                return self._channels(node, inputs, shape)
            case Add() | Mul():  # sums in the order in which the converter writes them
                inputs = inputs[::-1] if isinstance(node, Add) else inputs
                return self._of_two(type(node).__name__, inputs, shape)

    def _mean(self, index: int, source: int, shape: tuple[int, ...]) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = not self.graph.is_flattened(index)
        axes = self._constant(np.array([1, 2], np.int32))
        shape = shape if options.keepDims else (shape[0], shape[-1])
        return self._operator(_Builtin.MEAN, [source, axes], shape, options, schema.BuiltinOptions.ReducerOptions)

    def _reshape(self, source: int, shape: tuple[int, ...]) -> int:
        to = self._constant(np.array([-1, *shape[1:]], np.int32))
        options = schema.ReshapeOptionsT()
        return self._operator(_Builtin.RESHAPE, [source, to], shape, options, schema.BuiltinOptions.ReshapeOptions)

    def _channels(self, node: Shuffle | Slice | Concat, inputs: list[int], shape: tuple[int, ...]) -> int:
        match node:
            case Shuffle():
                return self._shuffle(node, inputs[0], shape)
            case Slice():
                return self._slice(node, inputs[0], shape)
            case Concat():
                return self._concat(inputs, shape)

    def _shuffle(self, node: Shuffle, source: int, shape: tuple[int, ...]) -> int:
        apart = (*shape[:3], node.groups, shape[3] // node.groups)
        turned = (*apart[:3], apart[4], apart[3])
        order = self._constant(np.array([0, 1, 2, 4, 3], np.int32))
        inputs, kind = [self._reshape(source, apart), order], schema.BuiltinOptions.TransposeOptions
        return self._reshape(
            self._operator(_Builtin.TRANSPOSE, inputs, turned, schema.TransposeOptionsT(), kind), shape
        )

    def _slice(self, node: Slice, source: int, shape: tuple[int, ...]) -> int:
        first = self.graph.shapes[node.source][-1] // node.parts * node.first
        limits = [self._constant(np.array(values, np.int32)) for values in ([0, 0, 0, first], shape)]
        return self._operator(
            _Builtin.SLICE, [source, *limits], shape, schema.SliceOptionsT(), schema.BuiltinOptions.SliceOptions
        )

    def _concat(self, inputs: list[int], shape: tuple[int, ...]) -> int:
        options = schema.ConcatenationOptionsT()
        options.axis = 3
        kind = schema.BuiltinOptions.ConcatenationOptions
        return self._operator(_Builtin.CONCATENATION, inputs, shape, options, kind)

    def _pool(self, node: Pool, source: int, shape: tuple[int, ...]) -> int:
        """TFLite's own padding is not counted; where a window moves by more than one it is in another place."""
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = node.kernel
        options.strideH = options.strideW = node.stride
        options.padding = _SAME if node.padding and node.stride == 1 else _VALID
        if node.padding and node.stride > 1:
            source = self._pad(source, node.padding, float(np.finfo(np.float32).min))
        code = _Builtin.MAX_POOL_2D if node.kind == "max" else _Builtin.AVERAGE_POOL_2D
        return self._operator(code, [source], shape, options, schema.BuiltinOptions.Pool2DOptions)

    def _linear(self, node: Linear, index: int, source: int, shape: tuple[int, ...]) -> int:
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = _FUSED.get(node.act, _FUSED["none"])
        inputs = [source, *map(self._constant, self.graph.weights[index])]
        kind = schema.BuiltinOptions.FullyConnectedOptions
        return self._unfused(node.act, self._operator(_Builtin.FULLY_CONNECTED, inputs, shape, options, kind), shape)

    def _conv(self, node: Conv, index: int, source: int, shape: tuple[int, ...]) -> int:
        weight, bias = self.graph.weights[index]
        padding = _VALID if node.kernel == 1 or node.stride > 1 else _SAME
        # torch pads both sides alike; TFLite's SAME at stride 2 does not, so the padding is explicit.
        if node.kernel > 1 and node.stride > 1:
            source = self._pad(source, node.kernel // 2)
        options: Any = schema.DepthwiseConv2DOptionsT() if node.depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = padding, node.stride, node.stride
        options.dilationHFactor = options.dilationWFactor = 1
        act = "relu6" if node.act == "h_sigmoid" else node.act
        options.fusedActivationFunction = _FUSED.get(act, _FUSED["none"])
        if node.depthwise:
            options.depthMultiplier = 1
            code, kind = _Builtin.DEPTHWISE_CONV_2D, schema.BuiltinOptions.DepthwiseConv2DOptions
            weight = weight.transpose(1, 2, 3, 0)
        else:
            code, kind = _Builtin.CONV_2D, schema.BuiltinOptions.Conv2DOptions
            weight = weight.transpose(0, 2, 3, 1)
        if node.act == "h_sigmoid":  # as the converter writes relu6(x + 3) / 6
            bias = bias + np.float32(3)
        out = self._operator(code, [source, self._constant(weight), self._constant(bias)], shape, options, kind)
        if node.act == "h_sigmoid":
            return self._affine(_SIXTH, out, shape)
        return self._unfused(node.act, out, shape)

    def _affine(self, node: Affine, source: int, shape: tuple[int, ...]) -> int:
        for kind, value in node.steps:
            source = self._of_two(kind, [source, self._constant(np.array(value, np.float32))], shape)
        return source

    def _of_two(self, kind: str, inputs: list[int], shape: tuple[int, ...]) -> int:
        if kind == "Mul":
            return self._operator(_Builtin.MUL, inputs, shape, schema.MulOptionsT(), schema.BuiltinOptions.MulOptions)
        return self._operator(_Builtin.ADD, inputs, shape, schema.AddOptionsT(), schema.BuiltinOptions.AddOptions)

    def _unfused(self, act: Elementary, source: int, shape: tuple[int, ...]) -> int:
        return source if act in _FUSED else self._activation(act, source, shape)

    def _activation(self, act: Elementary, source: int, shape: tuple[int, ...]) -> int:
        """By itself."""
        match act:
            case "h_swish":
                return self._operator(_Builtin.HARD_SWISH, [source], shape, None)
            case "sigmoid":
                return self._operator(_Builtin.LOGISTIC, [source], shape, None)
            case "swish":
                share = self._operator(_Builtin.LOGISTIC, [source], shape, None)
                return self._of_two("Mul", [source, share], shape)
            case "relu" | "relu6":
                return self._operator(getattr(_Builtin, act.upper()), [source], shape, None)
            case "h_sigmoid":
                shifted = self._affine(Affine(0, 1.0, 3.0), source, shape)
                return self._affine(_SIXTH, self._activation("relu6", shifted, shape), shape)
            case "none":
                return source

    def _pad(self, source: int, pixels: int, value: float | None = None) -> int:
        """With zeros, or with a value."""
        batch, height, width, channels = self.tensors[source].shape
        amounts = np.array([[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], np.int32)
        shape = (batch, height + 2 * pixels, width + 2 * pixels, channels)
        inputs, kinds = [source, self._constant(amounts)], schema.BuiltinOptions
        if value is None:
            return self._operator(_Builtin.PAD, inputs, shape, schema.PadOptionsT(), kinds.PadOptions)
        inputs.append(self._constant(np.array(value, np.float32)))
        return self._operator(_Builtin.PADV2, inputs, shape, schema.PadV2OptionsT(), kinds.PadV2Options)


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
