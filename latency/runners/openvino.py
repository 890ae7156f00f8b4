"""Runs on the device: an ONNX model on OpenVINO. Needs only numpy and openvino."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino


def version() -> str:
    return f"openvino {openvino.__version__.split('-')[0]}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype); the input stays bound, so that run() only computes."""
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(_shape(model.input(0).partial_shape, batch))
    settings = {
        # Without it OpenVINO computes in bfloat16 where the processor can: errors of 0.1 in the logits.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, delegate.upper(), settings).create_infer_request()
    entry = request.get_input_tensor(0)

    def feed(array: np.ndarray) -> None:
        entry.data[...] = array

    def result() -> np.ndarray:
        return np.array(request.get_output_tensor(0).data)

    return request.infer, feed, result, [int(size) for size in entry.shape], entry.element_type.to_dtype()


def _shape(shape: Any, batch: int) -> list[int]:
    if any(size.is_dynamic for size in list(shape)[1:]):
        raise ValueError(f"the input {shape} has no fixed size per image")
    return [batch, *(size.get_length() for size in list(shape)[1:])]
