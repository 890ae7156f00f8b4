"""A layer with every shape known: what an operator lowers, and the key of a row of a latency table."""

from dataclasses import dataclass

from proxyless.ops.activations import Activation

Shape = tuple[int, int, int]
"""Height, width, channels of an activation of one image."""


@dataclass(frozen=True)
class LayerSpec:
    """One layer.

    op: the name of its operator, see registry.py.
    in_shape, out_shape: (H, W, C) of one image.
    kernel, stride: of the spatial convolution or pooling.
    expand: channels inside of a block over its input channels; a whole number or a fraction.
    residual: the input is added to the output.
    act: activation after the convolutions, not after a projection.
    se: channels between the two layers of a squeeze-and-excite; 0 where there is none.
    groups: of the 1x1 convolutions of a block; channels are shuffled between them where there are several.
    edges: the operations of a cell, see cell.py; empty for every other layer.
    """

    op: str
    in_shape: Shape
    out_shape: Shape
    kernel: int = 1
    expand: float = 1
    stride: int = 1
    residual: bool = False
    act: Activation = "relu6"
    se: int = 0
    groups: int = 1
    edges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.expand, float) and self.expand.is_integer():
            object.__setattr__(self, "expand", int(self.expand))

    @property
    def mid_channels(self) -> int:
        return max(1, round(self.in_shape[2] * self.expand))

    def __str__(self) -> str:
        size = "->".join("x".join(map(str, shape)) for shape in (self.in_shape, self.out_shape))
        flags = ["residual"] * self.residual + [f"se{self.se}"] * bool(self.se)
        flags += [f"g{self.groups}"] * (self.groups > 1)
        flags += ["|".join(self.edges)] * bool(self.edges)
        parts = [self.op, f"k{self.kernel}", f"e{self.expand}", f"s{self.stride}", size, self.act, *flags]
        return " ".join(parts)
