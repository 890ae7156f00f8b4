"""MNN on the CPU, in float32. Models are converted from ONNX where they are written, not on the device."""

from collections.abc import Callable
from pathlib import Path

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.graph import Graph


def _writer() -> Callable[[Graph, Path], None]:
    from latency.writers.mnn import write_mnn

    return write_mnn


MNN = Runtime("mnn", ".mnn", ("cpu",), _writer, RUNNERS / "mnn.py", "MNN", writes_with=("MNN", "onnx"))
