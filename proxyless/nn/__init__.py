"""Torch modules built from specs."""

from proxyless.nn.compiled import compile_blocks
from proxyless.nn.depthwise import set_depthwise
from proxyless.nn.mixed import Choice, MixedLayer, Mixture, plain_choices
from proxyless.nn.network import AnyModule, build_network
from proxyless.nn.norm import share_norms
from proxyless.nn.replay import replay_blocks
from proxyless.nn.shared_weights import SharedWeights
from proxyless.nn.supernet import SuperNet
from proxyless.nn.weights import load_weights, save_weights

__all__ = [
    "AnyModule",
    "Choice",
    "MixedLayer",
    "Mixture",
    "SharedWeights",
    "SuperNet",
    "build_network",
    "compile_blocks",
    "load_weights",
    "plain_choices",
    "replay_blocks",
    "save_weights",
    "set_depthwise",
    "share_norms",
]
