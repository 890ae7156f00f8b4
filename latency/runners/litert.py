"""Runs on the device: a TFLite model on LiteRT, or on the older tflite-runtime. Needs only numpy and one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import ai_edge_litert as package
    from ai_edge_litert import interpreter as tflite
except ImportError:
    import tflite_runtime as package
    from tflite_runtime import interpreter as tflite

RELOAD = True
"""Models with depthwise kernels of 7 are up to twice as slow in some places in memory: every visit has its own."""


def version() -> str:
    name = package.__name__.replace("_", "-")
    return f"{name} {getattr(package, '__version__', 'unknown')}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype): run() executes once on the array given to feed()."""
    options: dict[str, Any] = {}
    if delegate == "none":
        options["experimental_op_resolver_type"] = tflite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tflite.Interpreter(model_path=path, num_threads=threads, **options)
    entry = interpreter.get_input_details()[0]
    shape = [int(size) for size in entry["shape"]]
    if shape[0] != batch:
        interpreter.resize_tensor_input(entry["index"], [batch, *shape[1:]])
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    output = interpreter.get_output_details()[0]["index"]

    def feed(array: np.ndarray) -> None:
        interpreter.set_tensor(entry["index"], array)

    def result() -> np.ndarray:
        return np.array(interpreter.get_tensor(output))

    return interpreter.invoke, feed, result, [int(size) for size in entry["shape"]], np.dtype(entry["dtype"])
