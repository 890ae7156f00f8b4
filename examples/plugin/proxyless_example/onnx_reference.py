"""A runtime: ONNX's own evaluator in Python, slow and exact."""

from pathlib import Path

from latency.runtimes import Runtime
from latency.runtimes.base import Write


def _writer() -> Write:
    from latency.writers.onnx import write_onnx

    return write_onnx


RUNTIME = Runtime(
    name="onnx-reference",
    suffix=".onnx",
    delegates=("cpu",),
    writer=_writer,
    runner=Path(__file__).with_name("onnx_reference_runner.py"),
    package="onnx",
    writes_with=("onnx",),
    extra="onnx",
)
