"""Parameters and multiply-accumulates of layers, counted on their primitives.

Conventions (those of the published ProxylessNAS and Once-for-All figures): a multiply-accumulate
counts once; convolutions, squeeze-and-excite and linear layers count, BatchNorm, activations, pooling
and additions do not; parameters include BatchNorm's scale and shift but not its running statistics.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import prod

from proxyless.ops.primitives import Conv, Linear, Node, Norm
from proxyless.ops.registry import layer_parts, lower_layer
from proxyless.ops.spec import LayerSpec


@dataclass(frozen=True)
class Cost:
    """params: trainable scalars. macs: multiply-accumulates for one image."""

    params: int = 0
    macs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs)


def divisible(value: float, divisor: int = 8) -> int:
    """Round channels to a multiple of `divisor`, never below 90 % of `value` (MobileNetV2, reference code)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def squeeze_channels(channels: int) -> int:
    """Channels between the two layers of a squeeze-and-excite on so many channels (MobileNetV3)."""
    return divisible(channels / 4)


@cache
def layer_cost(spec: LayerSpec) -> Cost:
    """Cost of one layer; of one that is composed of others, of these together."""
    parts = layer_parts(spec)
    if parts != (spec,):
        return sum(map(layer_cost, parts), Cost())
    lowered = lower_layer(spec)
    return sum((_node_cost(node, shape) for node, shape in zip(lowered.nodes, lowered.shapes[1:], strict=True)), Cost())


def _node_cost(node: Node, shape: tuple[int, ...]) -> Cost:
    if isinstance(node, Norm):
        return Cost(2 * node.out_channels)
    if not isinstance(node, Conv | Linear):
        return Cost()
    offsets = 2 * node.norm + node.bias if isinstance(node, Conv) else 1
    return Cost(node.weights + offsets * node.out_channels, node.weights * prod(shape[:-1]))


def network_cost(layers: Iterable[LayerSpec]) -> Cost:
    """Cost of a network given as its layers in order."""
    return sum((layer_cost(spec) for spec in layers), Cost())
