"""The plain network of an architecture: what is retrained and deployed."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from proxyless.nn.blocks import build_layer, initialise
from proxyless.space.spec import LayerSpec

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def channels_last(module: AnyModule) -> AnyModule:
    """Keep the weights as the fast depthwise kernels of CPUs and GPUs want them; values do not change."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def build_network(layers: Sequence[LayerSpec]) -> nn.Sequential:
    """Freshly initialised network: images (N, 3, H, W) to logits (N, classes).

    Initialisation draws from torch's global generator: seed it for a repeatable network.
    """
    network = nn.Sequential(*(build_layer(spec) for spec in layers))
    initialise(network)
    return network
