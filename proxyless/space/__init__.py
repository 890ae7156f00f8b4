"""Search spaces and the networks in them, as plain data (no torch)."""

from proxyless.ops import Cost, LayerSpec, Shape, layer_cost, network_cost
from proxyless.space.architecture import Anchor, Architecture, Target
from proxyless.space.declared import declared_space
from proxyless.space.mobile import mobile
from proxyless.space.registry import SPACES, build_space, check_registered, load_space
from proxyless.space.space import SKIP, Layer, Space
from proxyless.space.tiny import tiny

__all__ = [
    "SKIP",
    "SPACES",
    "Anchor",
    "Architecture",
    "Cost",
    "Layer",
    "LayerSpec",
    "Shape",
    "Space",
    "Target",
    "build_space",
    "check_registered",
    "declared_space",
    "layer_cost",
    "load_space",
    "mobile",
    "network_cost",
    "tiny",
]
