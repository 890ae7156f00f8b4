"""Runs on the device: a model in ONNX's own evaluator. Needs only numpy and onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator


def version() -> str:
    return f"onnx {onnx.__version__}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype)."""
    model = onnx.load(path)
    evaluator, source = ReferenceEvaluator(model), model.graph.input[0]
    shape = [size.dim_value for size in source.type.tensor_type.shape.dim]
    state: dict[str, np.ndarray] = {}

    def feed(array: np.ndarray) -> None:
        state["input"] = array

    def run() -> None:
        (state["output"],) = evaluator.run(None, {source.name: state["input"]})

    return run, feed, lambda: state["output"], shape, np.dtype("float32")
