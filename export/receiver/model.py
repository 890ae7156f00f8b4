"""The network in plain PyTorch, with the weights of weights.safetensors beside this file; needs nothing but torch.

from model import load
network = load()           # in evaluation mode
logits = network(images)   # float32 (N, 3, H, W), prepared as preprocess.json says, to (N, classes)
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

LAYERS: list[tuple[bool, list[dict[str, Any]]]] = []

WEIGHTS = Path(__file__).resolve().with_name("weights.safetensors")

ACTIVATIONS: dict[str, Any] = {
    "none": nn.Identity,
    "relu6": nn.ReLU6,
    "relu": nn.ReLU,
    "h_swish": nn.Hardswish,
    "swish": nn.SiLU,
    "h_sigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
}


class Layer(nn.Module):
    """The input is added to the output where there is a residual."""

    def __init__(self, residual: bool, nodes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.residual, self.branch = residual, Branch(nodes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.residual else out


class Branch(nn.Module):
    """Nodes one after another. Each reads tensors by number: 0 is the input, node i makes i + 1."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.nodes = nodes
        for node in nodes:
            if node["op"] == "Conv":
                self.add_module(node["name"], convolution(**node))
                if node["norm"]:
                    self.add_module(node["name"] + "_norm", nn.BatchNorm2d(node["out_channels"]))
            elif node["op"] == "Linear":
                self.add_module(node["name"], nn.Linear(node["in_channels"], node["out_channels"]))
            elif node["op"] == "Norm":
                self.add_module(node["name"], nn.BatchNorm2d(node["out_channels"]))
        self.acts = {act: made() for act, made in ACTIVATIONS.items()}

    def forward(self, x: Tensor) -> Tensor:
        tensors = [x]
        for node in self.nodes:
            numbers = node["sources"] if node["op"] == "Concat" else [node["source"], node.get("other", 0)]
            tensors.append(self.compute(node, *(tensors[number] for number in numbers)))
        return tensors[-1]

    def compute(self, node: dict[str, Any], x: Tensor, *others: Tensor) -> Tensor:
        if node["op"] in ("Conv", "Linear", "Norm"):
            x = self.get_submodule(node["name"])(x)
            x = self.get_submodule(node["name"] + "_norm")(x) if node.get("norm") else x
        elif node["op"] in OPERATIONS:
            x = OPERATIONS[node["op"]](x, *others)
        elif node["op"] == "Affine":
            x = x if node["scale"] == 1 else x * node["scale"]
            x = x if node["shift"] == 0 else x + node["shift"]
        elif node["op"] == "Shuffle":
            x = x[:, torch.arange(x.shape[1]).reshape(node["groups"], -1).t().flatten()]
        elif node["op"] == "Slice":
            size = x.shape[1] // node["parts"]
            x = x[:, node["first"] * size : node["stop"] * size]
        elif node["op"] == "Pool":
            x = pool(x, node["kind"], node["kernel"], node["stride"])
        out: Tensor = self.acts[node.get("act", "none")](x)
        return out


OPERATIONS: dict[str, Any] = {
    "Act": lambda x, _: x,
    "GlobalPool": lambda x, _: x.mean((2, 3), keepdim=True),
    "Flatten": lambda x, _: x.flatten(1),
    "Add": lambda x, other: x + other,
    "Mul": lambda x, other: x * other,
    "Concat": lambda *tensors: torch.cat(tensors, 1),
}


def convolution(
    in_channels: int, out_channels: int, kernel: int, stride: int, groups: int, bias: bool, **_: Any
) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)


def pool(x: Tensor, kind: str, kernel: int, stride: int) -> Tensor:
    padding = (kernel - 1) // 2
    if kind == "max":
        return max_pool2d(x, kernel, stride, padding)
    return avg_pool2d(x, kernel, stride, padding, count_include_pad=False)


def build() -> nn.Sequential:
    """The network with random weights."""
    return nn.Sequential(*(Layer(residual, nodes) for residual, nodes in LAYERS))


def load(path: str | Path = WEIGHTS) -> nn.Sequential:
    """The trained network, in evaluation mode.

    Raises:
        ValueError: not a safetensors file, or a damaged one.
        RuntimeError: weights of another network.
    """
    network = build()
    network.load_state_dict(read_safetensors(path))
    return network.eval()


DTYPES = {"F32": torch.float32, "I64": torch.int64}


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file: 8 bytes with the length of a JSON header, the header, the data.

    Raises:
        ValueError: another kind of file, or a damaged one.
    """
    content = Path(path).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    if not 8 < start <= len(content):
        raise ValueError(f"{path} is not a complete safetensors file")
    data = memoryview(content)[start:]
    try:
        header = json.loads(content[8:start])
        header.pop("__metadata__", None)
        return {name: read_tensor(data, **entry) for name, entry in header.items()}
    except (AttributeError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def read_tensor(data: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    begin, end = data_offsets
    if dtype not in DTYPES or not 0 <= begin < end <= len(data):
        raise ValueError(f"{dtype} at {data_offsets} of {len(data)} bytes")
    if end - begin != math.prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError(f"{end - begin} bytes for the shape {shape} of {dtype}")
    return torch.frombuffer(bytearray(data[begin:end]), dtype=DTYPES[dtype]).reshape(shape)
