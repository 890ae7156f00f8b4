"""Runs on the device: an ONNX model on ONNX Runtime. Needs only numpy and onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort

TYPES = {"float": "float32", "double": "float64"}
TYPES.update({name: name for name in ("float16", "bool", "uint8", "uint16", "uint32", "uint64")})
TYPES.update({name: name for name in ("int8", "int16", "int32", "int64")})


def version() -> str:
    return f"onnxruntime {ort.__version__}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype) of a model with one input."""
    run, feed, result, inputs = load_any(path, threads, delegate, batch, {})
    if len(inputs) != 1:
        raise ValueError(f"the model takes {len(inputs)} inputs, not one batch of images")
    ((name, (shape, dtype)),) = inputs.items()
    if shape[:1] != [batch]:
        raise ValueError(f"the input {shape} has no fixed size per image, or cannot take a batch of {batch}")
    return run, lambda array: feed({name: array}), result, shape, dtype


def load_any(path: str, threads: int, delegate: str, batch: int, shapes: dict[str, list[int]]) -> Any:
    """Returns (run, feed, result, inputs): (shape, dtype) by name; tensors stay bound, so that run() only computes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entries = {entry.name: entry for entry in session.get_inputs()}
    inputs = {name: (_shape(entry, batch, shapes.get(name)), _dtype(entry)) for name, entry in entries.items()}
    binding = session.io_binding()

    def feed(arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        for output in session.get_outputs():
            binding.bind_output(output.name)

    def run() -> None:
        session.run_with_iobinding(binding)

    def result() -> np.ndarray:
        return np.asarray(binding.copy_outputs_to_cpu()[0])

    return run, feed, result, inputs


def _shape(entry: Any, batch: int, given: list[int] | None) -> list[int]:
    """The file's own where it is fixed; open dimensions as given, else the first is the batch."""
    fixed = [size if isinstance(size, int) else None for size in entry.shape]
    if given is not None:
        # A shape that the file leaves out altogether is shown as that of a single number.
        if fixed and (
            len(given) != len(fixed) or any(size not in (None, given[index]) for index, size in enumerate(fixed))
        ):
            raise ValueError(
                f"the input {entry.name!r} is {entry.shape}, which cannot be {given}; give another --shape"
            )
        return given
    shape: list[Any] = [batch if index == 0 and size is None else size for index, size in enumerate(fixed)]
    if None in shape:
        example = ",".join("SIZE" if size is None else str(size) for size in shape)
        raise ValueError(f"the input {entry.name!r} is {entry.shape}; give its sizes: --shape {entry.name}={example}")
    return shape


def _dtype(entry: Any) -> Any:
    kind = entry.type.partition("(")[2].rstrip(")")
    if not entry.type.startswith("tensor(") or kind not in TYPES:
        raise ValueError(f"the input {entry.name!r} is a {entry.type}; only numbers can be made up for it")
    return np.dtype(TYPES[kind])
