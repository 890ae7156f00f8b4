"""What a layer computes: a candidate operation and the fully shaped layer that a latency row measures."""

import re
from dataclasses import dataclass
from typing import Literal

from proxyless.errors import InputError, shown

Shape = tuple[int, int, int]
"""Height, width, channels of an activation of one image."""

LayerKind = Literal["conv", "mbconv", "avgpool", "linear", "classifier"]
Activation = Literal["relu6", "relu", "h_swish", "none"]


@dataclass(frozen=True)
class Op:
    """A candidate for a searched layer: an inverted bottleneck `kKeE`, or `skip` (the identity).

    kernel: side of the depthwise kernel, 0 for skip.
    expand: width of the bottleneck over its input channels, 0 for skip.
    """

    kernel: int
    expand: int

    @property
    def is_skip(self) -> bool:
        return self.kernel == 0

    @property
    def name(self) -> str:
        return "skip" if self.is_skip else f"k{self.kernel}e{self.expand}"

    @staticmethod
    def parse(name: str) -> "Op":
        """Read `k3e6` or `skip`.

        Raises:
            InputError: any other text.
        """
        if name == "skip":
            return SKIP
        match = re.fullmatch(r"k([1-9]\d?)e([1-9]\d?)", name)
        if match is None:
            raise InputError(f"unknown operation {shown(name)}; expected 'skip' or kKeE such as 'k3e6'")
        return Op(int(match[1]), int(match[2]))


SKIP = Op(0, 0)


@dataclass(frozen=True)
class LayerSpec:
    """One layer with every shape known: the key of a latency table row.

    op: `conv` (convolution, BN, act), `mbconv` (inverted bottleneck), `avgpool` (global),
        `linear`, `classifier` (global average pooling and linear together).
    in_shape, out_shape: (H, W, C) of one image.
    kernel, stride: of the (depthwise) convolution.
    expand: channels of the bottleneck over input channels; no expansion convolution when 1.
    residual: the input is added to the output.
    act: activation after the convolutions, not after the projection.
    se: squeeze-and-excite after the depthwise convolution.
    """

    op: LayerKind
    in_shape: Shape
    out_shape: Shape
    kernel: int = 1
    expand: int = 1
    stride: int = 1
    residual: bool = False
    act: Activation = "relu6"
    se: bool = False

    @property
    def mid_channels(self) -> int:
        return self.in_shape[2] * self.expand

    def __str__(self) -> str:
        size = "->".join("x".join(map(str, shape)) for shape in (self.in_shape, self.out_shape))
        flags = [name for name in ("residual", "se") if getattr(self, name)]
        parts = [self.op, f"k{self.kernel}", f"e{self.expand}", f"s{self.stride}", size, self.act, *flags]
        return " ".join(parts)
