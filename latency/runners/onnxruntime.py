"""Runs on the device: an ONNX model on ONNX Runtime. Needs only numpy and onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort


def version() -> str:
    return f"onnxruntime {ort.__version__}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype); tensors stay bound, so that run() only computes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    shape = [batch if index == 0 and not isinstance(size, int) else size for index, size in enumerate(entry.shape)]
    if not all(isinstance(size, int) for size in shape) or shape[0] != batch:
        raise ValueError(f"the input {entry.shape} has no fixed size per image, or cannot take a batch of {batch}")
    dtype = np.dtype({"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}[entry.type])
    binding = session.io_binding()

    def feed(array: np.ndarray) -> None:
        binding.bind_ortvalue_input(entry.name, ort.OrtValue.ortvalue_from_numpy(array))
        binding.bind_output(session.get_outputs()[0].name)

    def run() -> None:
        session.run_with_iobinding(binding)

    def result() -> np.ndarray:
        return np.asarray(binding.copy_outputs_to_cpu()[0])

    return run, feed, result, shape, dtype
