"""Runs on the device: a network described by `write_torch`, in eager PyTorch. Needs only numpy and torch."""

from __future__ import annotations

import json
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F

ACTS = {"none": lambda x: x, "relu": F.relu, "relu6": F.relu6, "h_swish": F.hardswish}


def version() -> str:
    return f"torch {torch.__version__}"


def load(path: str, threads: int, delegate: str, batch: int) -> Any:
    """Returns (run, feed, result, shape, dtype). `delegate` is the torch device: cpu or cuda."""
    torch.set_num_threads(threads)
    if delegate == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("torch sees no CUDA device here; profile on a machine with one, or use --runtime torch")
    archive = np.load(path, allow_pickle=False)
    graph = json.loads(str(archive["graph"]))
    layers = [_layer(node, index, archive, delegate) for index, node in enumerate(graph["nodes"])]
    state: dict[str, torch.Tensor] = {}

    def feed(array: np.ndarray) -> None:
        images = torch.from_numpy(array).to(delegate)
        state["input"] = images.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run() -> None:
        tensors = [state["input"]]
        for layer in layers:
            tensors.append(layer(tensors))
        if delegate == "cuda":
            torch.cuda.synchronize()
        state["output"] = tensors[-1]

    def result() -> np.ndarray:
        return np.asarray(state["output"].cpu().numpy())

    return run, feed, result, graph["input"], np.dtype("float32")


Layer = Callable[["list[torch.Tensor]"], torch.Tensor]


def _layer(node: dict[str, Any], index: int, archive: Any, device: str) -> Layer:
    if node["op"] == "add":
        return lambda tensors: tensors[node["other"]] + tensors[-1]
    if node["op"] == "pool":
        return lambda tensors: tensors[-1].mean((2, 3))
    weight = torch.from_numpy(archive[f"w{index}"]).to(device)
    bias = torch.from_numpy(archive[f"b{index}"]).to(device)
    if node["op"] == "linear":
        return lambda tensors: F.linear(tensors[-1], weight, bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    act: Any = ACTS[node["act"]]
    settings = {"stride": node["stride"], "padding": node["padding"], "groups": node["groups"]}
    return lambda tensors: act(F.conv2d(tensors[-1], weight, bias, **settings))
