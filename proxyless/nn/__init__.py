"""Torch modules built from specs."""

from proxyless.nn.mixed import Choice, MixedLayer, plain_choices
from proxyless.nn.network import build_network
from proxyless.nn.supernet import SuperNet

__all__ = ["Choice", "MixedLayer", "SuperNet", "build_network", "plain_choices"]
