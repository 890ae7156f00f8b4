"""The plain network of an architecture: what is retrained and deployed."""

from collections.abc import Sequence
from typing import TypeVar

from torch import nn

from proxyless.nn.blocks import build_layer, initialise
from proxyless.ops import LayerSpec

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def build_network(layers: Sequence[LayerSpec]) -> nn.Sequential:
    """Freshly initialised network: images (N, 3, H, W) to logits (N, classes).

    Initialisation draws from torch's global generator: seed it for a repeatable network.
    """
    network = nn.Sequential(*(build_layer(spec) for spec in layers))
    initialise(network)
    return network
