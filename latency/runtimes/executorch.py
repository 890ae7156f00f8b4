"""ExecuTorch on the CPU: float32 on XNNPACK, to which every operation is delegated."""

from collections.abc import Callable
from pathlib import Path

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.graph import Graph


def _writer() -> Callable[[Graph, Path], None]:
    from latency.writers.executorch import write_executorch

    return write_executorch


EXECUTORCH = Runtime(
    "executorch", ".pte", ("xnnpack",), _writer, RUNNERS / "executorch.py", "executorch", writes_with=("executorch",)
)
