"""Parameters and multiply-accumulates of layers, by arithmetic on their shapes.

Conventions (those of the published ProxylessNAS and Once-for-All figures): a multiply-accumulate
counts once; convolutions, squeeze-and-excite and linear layers count, BatchNorm, activations, pooling
and additions do not; parameters include BatchNorm's scale and shift but not its running statistics.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxyless.space.spec import LayerSpec


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


def _conv(in_c: int, out_c: int, kernel: int, area: int, groups: int = 1) -> Cost:
    weights = in_c // groups * out_c * kernel * kernel
    return Cost(weights + 2 * out_c, weights * area)


def squeeze_channels(channels: int) -> int:
    """Channels between the two layers of a squeeze-and-excite on so many channels (MobileNetV3)."""
    return divisible(channels / 4)


def _squeeze_excite(channels: int) -> Cost:
    squeezed = squeeze_channels(channels)
    weights = 2 * channels * squeezed
    return Cost(weights + squeezed + channels, weights)


def layer_cost(spec: LayerSpec) -> Cost:
    """Cost of one layer."""
    in_h, in_w, in_c = spec.in_shape
    out_h, out_w, out_c = spec.out_shape
    match spec.op:
        case "avgpool":
            return Cost()
        case "linear" | "classifier":
            return Cost(in_c * out_c + out_c, in_c * out_c)
        case "conv":
            return _conv(in_c, out_c, spec.kernel, out_h * out_w)
        case "mbconv":
            mid = spec.mid_channels
            cost = _conv(in_c, mid, 1, in_h * in_w) if spec.expand > 1 else Cost()
            cost += _conv(mid, mid, spec.kernel, out_h * out_w, groups=mid)
            if spec.se:
                cost += _squeeze_excite(mid)
            return cost + _conv(mid, out_c, 1, out_h * out_w)


def network_cost(layers: Iterable[LayerSpec]) -> Cost:
    """Cost of a network given as its layers in order."""
    return sum((layer_cost(spec) for spec in layers), Cost())
