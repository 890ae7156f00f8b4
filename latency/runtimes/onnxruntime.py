"""ONNX Runtime on its CPU execution provider."""

from latency.runtimes.base import RUNNERS, Quantize, Runtime, Write


def _writer() -> Write:
    from latency.writers.onnx import write_onnx

    return write_onnx


def _quantizer() -> Quantize:
    from export.onnx_int8 import RECIPES

    return RECIPES[0].make


ONNXRUNTIME = Runtime(
    "onnxruntime",
    ".onnx",
    ("cpu",),
    _writer,
    RUNNERS / "onnxruntime.py",
    "onnxruntime",
    _quantizer,
    loads_any=True,
    writes_with=("onnx",),
    quantizes_with=("onnxruntime",),
    extra="onnx",
)
