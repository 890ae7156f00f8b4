"""Runs on the device: a network described by `write_torch`, in eager PyTorch. Needs only numpy and torch."""

from __future__ import annotations

import json
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F

ACTS: dict[str, Any] = {
    "none": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "h_swish": F.hardswish,
    "swish": F.silu,
    "h_sigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
}


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
        for layer, node in zip(layers, graph["nodes"]):  # noqa: B905
            tensors.append(layer(*(tensors[source] for source in node["sources"])))
        if delegate == "cuda":
            torch.cuda.synchronize()
        state["output"] = tensors[-1]

    def result() -> np.ndarray:
        return np.asarray(state["output"].cpu().numpy())

    return run, feed, result, graph["input"], np.dtype("float32")


Layer = Callable[..., torch.Tensor]


def _layer(node: dict[str, Any], index: int, archive: Any, device: str) -> Layer:
    if node["op"] not in ("Conv", "Linear"):
        return _without_weights(node)
    weight = torch.from_numpy(archive[f"w{index}"]).to(device)
    bias = torch.from_numpy(archive[f"b{index}"]).to(device)
    act = ACTS[node["act"]]
    if node["op"] == "Linear":
        return lambda x: act(F.linear(x, weight, bias))
    weight = weight.contiguous(memory_format=torch.channels_last)
    settings = {"stride": node["stride"], "padding": node["kernel"] // 2, "groups": node["groups"]}
    return lambda x: act(F.conv2d(x, weight, bias, **settings))


def _without_weights(node: dict[str, Any]) -> Layer:
    window: Any = {"kernel_size": node.get("kernel"), "stride": node.get("stride")}
    window["padding"] = (node.get("kernel", 1) - 1) // 2
    layers: dict[str, Layer] = {
        "Act": lambda x: ACTS[node["act"]](x),
        "Affine": lambda x: x * node["scale"] + node["shift"],
        "GlobalPool": lambda x: x.mean((2, 3), keepdim=True),
        "Flatten": lambda x: x.flatten(1),
        "Shuffle": lambda x: x.unflatten(1, (node["groups"], -1)).transpose(1, 2).flatten(1, 2),
        "Slice": lambda x: x[:, _channels(x, node)],
        "Concat": lambda *tensors: torch.cat(tensors, 1),
        "Add": lambda x, other: x + other,
        "Mul": lambda x, other: x * other,
        "mean": lambda x: F.avg_pool2d(x, count_include_pad=False, **window),
        "max": lambda x: F.max_pool2d(x, **window),
    }
    return layers[node["kind"] if node["op"] == "Pool" else node["op"]]


def _channels(x: torch.Tensor, node: dict[str, Any]) -> slice:
    size = x.shape[1] // node["parts"]
    return slice(node["first"] * size, node["stop"] * size)
