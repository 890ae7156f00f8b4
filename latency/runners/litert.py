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
    """Returns (run, feed, result, shape, dtype) of a model with one input."""
    run, feed, result, inputs = load_any(path, threads, delegate, batch, {})
    if len(inputs) != 1:
        raise ValueError(f"the model takes {len(inputs)} inputs, not one batch of images")
    ((name, (shape, dtype)),) = inputs.items()
    if shape[:1] != [batch]:
        raise ValueError(f"the model takes {shape}, not a batch of {batch}")
    return run, lambda array: feed({name: array}), result, shape, dtype


def load_any(path: str, threads: int, delegate: str, batch: int, shapes: dict[str, list[int]]) -> Any:
    """Returns (run, feed, result, inputs): (shape, dtype) by name; run() executes once on what was given to feed()."""
    options: dict[str, Any] = {}
    if delegate == "none":
        options["experimental_op_resolver_type"] = tflite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tflite.Interpreter(model_path=path, num_threads=threads, **options)
    for entry in interpreter.get_input_details():
        shape = _shape(entry, batch, shapes.get(entry["name"]))
        if shape != list(entry["shape"]):
            interpreter.resize_tensor_input(entry["index"], shape)
    interpreter.allocate_tensors()
    entries = {entry["name"]: entry for entry in interpreter.get_input_details()}
    inputs = {name: ([int(size) for size in entry["shape"]], _dtype(entry)) for name, entry in entries.items()}

    def feed(arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            interpreter.set_tensor(entries[name]["index"], array)

    def result() -> np.ndarray:
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return interpreter.invoke, feed, result, inputs


def _shape(entry: Any, batch: int, given: list[int] | None) -> list[int]:
    """As given, else the file's own; the first dimension is the batch where it is open or 1."""
    sizes = [int(size) for size in entry["shape_signature"]]
    if given is not None:
        if len(given) != len(sizes) or any(sizes[index] not in (-1, given[index]) for index in range(1, len(sizes))):
            raise ValueError(f"the input {entry['name']!r} is {sizes}, which cannot be {given}; give another --shape")
        return given
    shape = [batch if index == 0 and size in (-1, 1) else size for index, size in enumerate(sizes)]
    if -1 in shape:
        example = ",".join("SIZE" if size == -1 else str(size) for size in shape)
        raise ValueError(f"the input {entry['name']!r} is {sizes}; give its sizes: --shape {entry['name']}={example}")
    return shape


def _dtype(entry: Any) -> Any:
    kind = np.dtype(entry["dtype"])
    if kind.kind not in "biuf":
        raise ValueError(f"the input {entry['name']!r} is of type {kind.name}; only numbers can be made up for it")
    return kind
