"""A layer as primitives, and how operators write them down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import gcd
from typing import Literal, cast

from proxyless.errors import InputError
from proxyless.ops.activations import COMPOSED, Activation, Elementary, check_activation
from proxyless.ops.primitives import (
    Act,
    Add,
    Affine,
    Concat,
    Conv,
    Flatten,
    GlobalPool,
    Linear,
    Mul,
    Node,
    Norm,
    Pool,
    Shuffle,
    Slice,
)
from proxyless.ops.spec import Shape


@dataclass(frozen=True)
class Lowered:
    """nodes: in the order of computation. shapes: of all tensors, (H, W, C) or (C,); the last one is the output.
    residual: the last node adds the input."""

    nodes: tuple[Node, ...]
    shapes: tuple[tuple[int, ...], ...]
    residual: bool = False

    @property
    def branch(self) -> tuple[Node, ...]:
        """All but the sum with the input."""
        return self.nodes[:-1] if self.residual else self.nodes


@dataclass
class Chain:
    """Collects the nodes of a layer. Every method returns the number of the tensor that it made.

    Raises:
        InputError: shapes that do not fit each other.
    """

    in_shape: Shape
    nodes: list[Node] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = [self.in_shape]

    def conv(
        self,
        name: str,
        source: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: Activation = "none",
        norm: bool = True,
        bias: bool = False,
    ) -> int:
        """A convolution to so many channels."""
        height, width, inputs = self.shapes[source]
        if groups < 1 or channels < 1 or inputs % groups or channels % groups or kernel % 2 == 0:
            raise InputError(
                f"there is no convolution of {inputs} to {channels} channels in {groups} groups with kernel {kernel}"
            )
        fused = _fused(act)
        node = Conv(name, source, inputs, channels, kernel, stride, groups, fused, norm, bias)
        made = self._add(node, (-(-height // stride), -(-width // stride), channels))
        return made if fused == act else self.act(made, act)

    def linear(self, name: str, source: int, channels: int, act: Activation = "none") -> int:
        """A linear layer on (C,)."""
        fused = _fused(act)
        made = self._add(Linear(name, source, self.shapes[source][-1], channels, fused), (channels,))
        return made if fused == act else self.act(made, act)

    def norm(self, name: str, source: int, act: Activation = "none") -> int:
        """BatchNorm of what is no output of a convolution."""
        fused = _fused(act)
        made = self._add(Norm(name, source, self.shapes[source][-1], fused), self.shapes[source])
        return made if fused == act else self.act(made, act)

    def act(self, source: int, act: Activation) -> int:
        if act in COMPOSED:
            return COMPOSED[act](self, source)
        elementary = _fused(act)
        return source if elementary == "none" else self._add(Act(source, elementary), self.shapes[source])

    def affine(self, source: int, scale: float = 1.0, shift: float = 0.0) -> int:
        """Every value times `scale`, plus `shift`."""
        node = Affine(source, scale, shift)
        return self._add(node, self.shapes[source]) if node.steps else source

    def global_pool(self, source: int) -> int:
        return self._add(GlobalPool(source), (1, 1, self.shapes[source][-1]))

    def flatten(self, source: int) -> int:
        """Of one pixel."""
        if self.shapes[source][:-1] != (1, 1):
            raise InputError(f"{self.shapes[source]} is no single pixel that can be flattened")
        return self._add(Flatten(source), self.shapes[source][-1:])

    def pool(self, source: int, kind: Literal["mean", "max"], kernel: int, stride: int) -> int:
        """A mean that moves by more than one is not padded: formats pad in different places."""
        height, width, channels = self.shapes[source]
        node = Pool(source, kind, kernel, stride)
        sides = [(side + 2 * node.padding - kernel) // stride + 1 for side in (height, width)]
        if min(sides) < 1 or (kind == "mean" and stride > 1 and node.padding):
            raise InputError(f"there is no {kind} over {kernel}x{kernel} with stride {stride} of {height}x{width}")
        return self._add(node, (*sides, channels))

    def shuffle(self, source: int, groups: int) -> int:
        return source if groups == 1 else self._add(Shuffle(source, groups), self.shapes[source])

    def slice(self, source: int, first: int, stop: int) -> int:
        """The channels from `first` to before `stop`."""
        *sides, channels = self.shapes[source]
        if not 0 <= first < stop <= channels:
            raise InputError(f"there are no channels {first} to {stop} of {channels}")
        size = gcd(channels, first, stop)
        node = Slice(source, channels // size, first // size, stop // size)
        return source if stop - first == channels else self._add(node, (*sides, stop - first))

    def concat(self, sources: Sequence[int]) -> int:
        shapes = [self.shapes[source] for source in sources]
        if len({tuple(sides) for *sides, _ in shapes}) != 1:
            raise InputError(f"{', '.join(map(str, shapes))} cannot be put one after another")
        made = (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
        return sources[0] if len(sources) == 1 else self._add(Concat(tuple(sources)), made)

    def add(self, source: int, other: int) -> int:
        if self.shapes[source] != self.shapes[other]:
            raise InputError(f"{self.shapes[source]} and {self.shapes[other]} cannot be added")
        return self._add(Add(source, other), self.shapes[source])

    def mul(self, source: int, other: int) -> int:
        if self.shapes[other] not in (self.shapes[source], (1, 1, self.shapes[source][-1])):
            raise InputError(f"{self.shapes[source]} and {self.shapes[other]} cannot be multiplied")
        return self._add(Mul(source, other), self.shapes[source])

    def squeeze_excite(self, source: int, squeezed: int) -> int:
        """Every channel times a number from 0 to 1 that all of them decide (Hu et al., CVPR 2018), with the activations
        of MobileNetV3; the same tensor where `squeezed` is 0."""
        if not squeezed:
            return source
        few = self.conv("squeeze", self.global_pool(source), squeezed, act="relu", norm=False, bias=True)
        share = self.conv("excite", few, self.shapes[source][-1], act="h_sigmoid", norm=False, bias=True)
        return self.mul(source, share)

    def finish(self, residual: bool) -> Lowered:
        return Lowered(tuple(self.nodes), tuple(self.shapes), residual)

    def _add(self, node: Node, shape: tuple[int, ...]) -> int:
        self.nodes.append(node)
        self.shapes.append(shape)
        return len(self.nodes)


@cache
def _fused(act: Activation) -> Elementary:
    """What of an activation is part of the node before it: all of an elementary one, nothing of another."""
    check_activation(act)
    return "none" if act in COMPOSED else cast(Elementary, act)
