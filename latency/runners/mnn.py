"""Runs on the device: an MNN model on MNN. Needs only numpy and MNN."""

from __future__ import annotations

from typing import Any

import MNN
import numpy as np


def version() -> str:
    return f"MNN {MNN.version()}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype); copying to and from MNN's own layout is not part of run()."""
    network = MNN.Interpreter(path)
    # Precision `normal` computes in half precision where the processor can.
    session = network.createSession({"backend": delegate.upper(), "numThread": threads, "precision": "high"})
    entry = network.getSessionInput(session)
    shape = [batch, *entry.getShape()[1:]]
    if list(entry.getShape()) != shape:
        network.resizeTensor(entry, tuple(shape))
        network.resizeSession(session)
        entry = network.getSessionInput(session)
    output = network.getSessionOutput(session)

    def feed(array: np.ndarray) -> None:
        entry.copyFrom(_tensor(np.ascontiguousarray(array)))

    def run() -> None:
        network.runSession(session)

    def result() -> np.ndarray:
        host = _tensor(np.zeros(output.getShape(), np.float32))
        output.copyToHostTensor(host)
        return np.array(host.getNumpyData())

    return run, feed, result, shape, np.dtype("float32")


def _tensor(array: np.ndarray) -> Any:
    return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)
