"""int8 ONNX: quantize and dequantize nodes (QDQ) through ONNX Runtime's quantizer, weights per channel."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from export.format import Recipe
from export.silence import silence

_LAYERS = ("Conv", "Gemm", "MatMul")
_IMAGES_AT_A_TIME = 8
"""Unless the file has a fixed batch."""
_MAX_COLLECTED_BYTES = 2**30
"""Histograms are made of everything that was collected: fewer images where the network's tensors are large."""


def make(source: Path, target: Path, images: np.ndarray, method: CalibrationMethod, ends_in_float: bool) -> None:
    """Quantize a float32 file: unsigned activations and signed weights, what x86 and ARM both have kernels for.

    ends_in_float: keep the first and the last layer as they are.
    """
    if method != CalibrationMethod.MinMax:
        count = max(1, min(len(images), _MAX_COLLECTED_BYTES // _activation_bytes(source)))
        images = images[np.linspace(0, len(images) - 1, count).astype(int)]  # they may be in the order of the classes
    graph = onnx.load(source).graph
    layers = [node.name for node in graph.node if node.op_type in _LAYERS]
    with silence():
        quantize_static(
            source,
            target,
            _Reader(graph.input[0], images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=method,
            nodes_to_exclude=[layers[0], layers[-1]] if ends_in_float else [],
        )


def _activation_bytes(path: Path) -> int:
    """Of all tensors that the network computes for one image."""
    shapes = onnx.shape_inference.infer_shapes(onnx.load(path)).graph.value_info
    sizes = [[size.dim_value or 1 for size in value.type.tensor_type.shape.dim] for value in shapes]
    return 4 * sum(int(np.prod(size)) for size in sizes) or 1


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the calibration images, a few at a time."""

    def __init__(self, source: onnx.ValueInfoProto, images: np.ndarray) -> None:
        self._name = source.name
        size = source.type.tensor_type.shape.dim[0].dim_value or min(_IMAGES_AT_A_TIME, len(images))
        starts = range(0, len(images) - size + 1, size)  # histograms cannot be made of parts that differ in size
        self._parts: Iterator[np.ndarray] = iter(images[start : start + size] for start in starts)

    def get_next(self) -> dict[str, np.ndarray] | None:
        part = next(self._parts, None)
        return None if part is None else {self._name: part}


def _recipe(name: str, method: CalibrationMethod, ends_in_float: bool = False) -> Recipe:
    return Recipe(name, partial(make, method=method, ends_in_float=ends_in_float), 2 if ends_in_float else 0)


RECIPES = (
    _recipe("range", CalibrationMethod.MinMax),
    _recipe("percentile", CalibrationMethod.Percentile),
    _recipe("entropy", CalibrationMethod.Entropy),
    _recipe("range, first and last layer in float", CalibrationMethod.MinMax, ends_in_float=True),
    _recipe("percentile, first and last layer in float", CalibrationMethod.Percentile, ends_in_float=True),
)
