"""LiteRT (TFLite): float32 on XNNPACK, or on the built-in kernels (delegate `none`)."""

from collections.abc import Callable
from pathlib import Path

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.graph import Graph


def _writer() -> Callable[[Graph, Path], None]:
    from latency.writers.tflite import write_tflite

    return write_tflite


LITERT = Runtime("litert", ".tflite", ("xnnpack", "none"), _writer, RUNNERS / "litert.py", "ai_edge_litert")
