"""Runs on the device: an ncnn model on ncnn. Needs only numpy and ncnn.

The model is one file, a zip archive of `model.param` and `model.bin` as ncnn and pnnx write them. The blobs
between are `in0` and `out0`; the shape of the input is that of the Input layer (0=width 1=height 2=channels).
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import ncnn
import numpy as np


def version() -> str:
    return f"ncnn {ncnn.__version__}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype); ncnn has no batches."""
    if batch != 1:
        raise ValueError(f"ncnn takes one image at a time, got a batch of {batch}")
    network = ncnn.Net()
    network.opt.num_threads = threads
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        if hasattr(network.opt, "use_" + option):  # not every version has all of them
            setattr(network.opt, "use_" + option, False)  # by default the weights lose half of their digits
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        _check_size(path, archive)
        shape = _input_shape(archive.read("model.param").decode())
        archive.extractall(folder, ["model.param", "model.bin"])
        for name, read in (("model.param", network.load_param), ("model.bin", network.load_model)):
            if read(str(Path(folder, name))) != 0:
                raise ValueError(f"ncnn cannot read the {name} in {path}")
    tensors: dict[str, Any] = {}

    def feed(array: np.ndarray) -> None:
        # The Mat does not own its memory: without a reference to the array, ncnn reads freed memory.
        tensors["array"] = np.ascontiguousarray(array[0])
        tensors["input"] = ncnn.Mat(tensors["array"])

    def run() -> None:
        extractor = network.create_extractor()
        extractor.input("in0", tensors["input"])
        failed, tensors["output"] = extractor.extract("out0")
        if failed:
            raise RuntimeError(f"ncnn failed with code {failed}")

    def result() -> np.ndarray:
        return np.array(tensors["output"])[None]

    return run, feed, result, [1, *shape], np.dtype("float32")


def _check_size(path: str, archive: zipfile.ZipFile) -> None:
    if sum(entry.file_size for entry in archive.infolist()) > 100 * os.path.getsize(path):
        raise ValueError(f"{path} unpacks to more than a hundred times its size, as no weights do; pack it again")


def _input_shape(param: str) -> list[int]:
    """(C, H, W) from the Input layer."""
    for line in param.splitlines()[2:]:
        kind, _, _, _, _, *fields = line.split()
        sizes = dict(field.split("=") for field in fields)
        if kind == "Input" and {"0", "1", "2"} <= set(sizes):
            return [int(sizes[key]) for key in "210"]
    raise ValueError("the Input layer says no width, height and channels (0=, 1=, 2=)")
