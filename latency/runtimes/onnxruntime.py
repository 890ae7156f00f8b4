"""ONNX Runtime on its CPU execution provider."""

from collections.abc import Callable
from pathlib import Path

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.graph import Graph


def _writer() -> Callable[[Graph, Path], None]:
    from latency.writers.onnx import write_onnx

    return write_onnx


ONNXRUNTIME = Runtime("onnxruntime", ".onnx", ("cpu",), _writer, RUNNERS / "onnxruntime.py", "onnxruntime")
