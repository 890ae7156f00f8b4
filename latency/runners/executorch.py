"""Runs on the device: an ExecuTorch program on ExecuTorch's Python runtime, which needs torch. Needs numpy too."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Any

import numpy as np
import torch
from executorch.extension.pybindings import portable_lib
from executorch.runtime import Runtime


def version() -> str:
    return f"executorch {package_version('executorch')}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype). run() includes a copy of the output, which the binding makes."""
    # That copy is torch's, which would keep threads of its own busy: a block took 3 ms instead of 0.25.
    torch.set_num_threads(1)
    portable_lib._unsafe_reset_threadpool(threads)  # there is no public way; it holds for models loaded after it
    program = Runtime.get().load_program(path)
    method = program.load_method("forward")
    order = torch.channels_last if "channels_last" in program.method_names else torch.contiguous_format
    shape = [int(size) for size in method.metadata.input_tensor_meta(0).sizes()]
    if shape[0] != batch:
        raise ValueError(f"the model takes a batch of {shape[0]}, got {batch}")
    tensors: dict[str, Any] = {}

    def feed(array: np.ndarray) -> None:
        tensors["input"] = torch.from_numpy(array).contiguous(memory_format=order)

    def run() -> None:
        tensors["output"] = method.execute([tensors["input"]])[0]

    def result() -> np.ndarray:
        return np.array(tensors["output"].numpy())

    return run, feed, result, shape, np.dtype("float32")
