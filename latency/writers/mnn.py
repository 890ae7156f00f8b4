"""Write a graph for MNN: as ONNX, through MNN's own converter in this process, about a millisecond per layer."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latency.writers.graph import Graph
from latency.writers.onnx import write_onnx
from proxyless.errors import CheckError
from proxyless.temporary import temporary_folder


def write_mnn(graph: Graph, path: Path) -> None:
    """Input `t0` is (N, C, H, W).

    Raises:
        CheckError: the converter wrote nothing; it gives no reason.
    """
    with temporary_folder() as folder:
        source = folder / "network.onnx"
        write_onnx(graph, source)
        _convert(source, path)
    if not path.is_file():
        raise CheckError(f"MNN's converter wrote no {path.name}")


def _convert(source: Path, target: Path) -> None:
    with _silent_stdout():
        # The converter itself. `MNN.tools.mnnconvert` wraps it, but importing that installs a logging
        # package with pip and reports over the network.
        import _tools as converter

        arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target), "--bizCode", "proxyless"]
        converter.mnnconvert(["mnnconvert", *arguments])


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """MNN reports in C on standard output, which is kept for results."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
