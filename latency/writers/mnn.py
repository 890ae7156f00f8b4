"""Write a graph for MNN: as ONNX, through MNN's own converter in this process, about a millisecond per layer."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The converter itself. `MNN.tools.mnnconvert` wraps it, but importing that installs a logging package
# with pip and reports the use over the network.
import _tools as mnn_tools

from latency.writers.graph import Graph
from latency.writers.onnx import write_onnx
from proxyless.errors import CheckError


def write_mnn(graph: Graph, path: Path) -> None:
    """Input `t0` is (N, C, H, W).

    Raises:
        CheckError: the converter wrote nothing; it reports no reason.
    """
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        source = Path(folder) / "network.onnx"
        write_onnx(graph, source)
        arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(path), "--bizCode", "proxyless"]
        with _silent_stdout():
            mnn_tools.mnnconvert(["mnnconvert", *arguments])
    if not path.is_file():
        raise CheckError(f"MNN's converter wrote no {path.name}")


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """The converter is C++ and reports on standard output, which is kept for our results."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
