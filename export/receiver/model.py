"""The network in plain PyTorch, with the weights of weights.safetensors beside this file; needs nothing but torch.

from model import load
network = load()           # in evaluation mode
logits = network(images)   # float32 (N, 3, H, W), prepared as preprocess.json says, to (N, classes)
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LAYERS: list[tuple[str, dict[str, Any]]] = []

WEIGHTS = Path(__file__).resolve().with_name("weights.safetensors")

ACTIVATIONS = {"relu6": nn.ReLU6, "relu": nn.ReLU, "h_swish": nn.Hardswish, "none": nn.Identity}


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Conv(nn.Sequential):
    """Convolution, normalisation, activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, act: str) -> None:
        conv = convolution(inputs, outputs, kernel, stride)
        super().__init__(OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), act=ACTIVATIONS[act]()))


class MBConv(nn.Module):
    """Inverted bottleneck (MobileNetV2): expand 1x1 where `expand` is more than 1, depthwise, project 1x1."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, expand: int, stride: int, residual: bool, act: str
    ) -> None:
        super().__init__()
        middle = inputs * expand
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if expand > 1:
            parts["expand"] = convolution(inputs, middle)
            parts["expand_norm"] = nn.BatchNorm2d(middle)
            parts["expand_act"] = ACTIVATIONS[act]()
        parts["depthwise"] = convolution(middle, middle, kernel, stride, groups=middle)
        parts["depthwise_norm"] = nn.BatchNorm2d(middle)
        parts["depthwise_act"] = ACTIVATIONS[act]()
        parts["project"] = convolution(middle, outputs)
        parts["project_norm"] = nn.BatchNorm2d(outputs)
        self.branch = nn.Sequential(parts)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.residual else out


class Classifier(nn.Module):
    """Global average pooling and a linear layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.mean((2, 3), keepdim=True).flatten(1))
        return logits


KINDS: dict[str, Any] = {"conv": Conv, "mbconv": MBConv, "classifier": Classifier}


def build() -> nn.Sequential:
    """The network with random weights."""
    return nn.Sequential(*(KINDS[kind](**arguments) for kind, arguments in LAYERS))


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
