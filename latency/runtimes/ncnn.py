"""ncnn on the CPU, in float32, one image at a time."""

from collections.abc import Callable
from pathlib import Path

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.graph import Graph


def _writer() -> Callable[[Graph, Path], None]:
    from latency.writers.ncnn import write_ncnn

    return write_ncnn


NCNN = Runtime("ncnn", ".ncnn", ("cpu",), _writer, RUNNERS / "ncnn.py", "ncnn", max_batch=1)
