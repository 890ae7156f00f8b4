"""The few operations that every runtime has. A node reads tensors by number: 0 is the input, node i writes i + 1."""

from dataclasses import dataclass
from typing import Literal

from proxyless.ops.activations import Elementary


@dataclass(frozen=True)
class Conv:
    """A convolution, padded with kernel // 2 zeros on every side, and an activation.

    name: of its weights. norm: BatchNorm follows; it is folded in what is deployed. bias: where nothing follows.
    """

    name: str
    source: int
    in_channels: int
    out_channels: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    act: Elementary = "none"
    norm: bool = True
    bias: bool = False

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def weights(self) -> int:
        return self.in_channels // self.groups * self.out_channels * self.kernel**2

    @property
    def depthwise(self) -> bool:
        """One filter per channel."""
        return self.groups > 1 and self.groups == self.in_channels == self.out_channels


@dataclass(frozen=True)
class Linear:
    """A matrix and a bias on (C,), and an activation."""

    name: str
    source: int
    in_channels: int
    out_channels: int
    act: Elementary = "none"

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def weights(self) -> int:
        return self.in_channels * self.out_channels


@dataclass(frozen=True)
class Norm:
    """BatchNorm by itself, where it follows no convolution that it could be folded into, and an activation.

    name: of its weights. Where it is deployed it is a depthwise 1x1 convolution with a bias.
    """

    name: str
    source: int
    out_channels: int
    act: Elementary = "none"

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def weights(self) -> int:
        return 0


@dataclass(frozen=True)
class _OfOne:
    source: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def weights(self) -> int:
        return 0


@dataclass(frozen=True)
class Act(_OfOne):
    """An activation by itself."""

    act: Elementary


@dataclass(frozen=True)
class Affine(_OfOne):
    """Every value times `scale`, plus `shift`; it is no layer of its own where both change nothing."""

    scale: float
    shift: float

    @property
    def steps(self) -> list[tuple[Literal["Mul", "Add"], float]]:
        """What is to be computed, one or two of a product and a sum with a number."""
        product: list[tuple[Literal["Mul", "Add"], float]] = [("Mul", self.scale)] if self.scale != 1 else []
        return [*product, ("Add", self.shift)] if self.shift != 0 else product


@dataclass(frozen=True)
class GlobalPool(_OfOne):
    """The mean over height and width: (1, 1, C)."""


@dataclass(frozen=True)
class Flatten(_OfOne):
    """(1, 1, C) to (C,)."""


@dataclass(frozen=True)
class Pool(_OfOne):
    """Over a window; a mean does not count the padding."""

    kind: Literal["mean", "max"]
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        """On every side."""
        return (self.kernel - 1) // 2


@dataclass(frozen=True)
class Shuffle(_OfOne):
    """The channels of `groups` groups one after another: the first of each, the second of each, ..."""

    groups: int


@dataclass(frozen=True)
class Slice(_OfOne):
    """Of so many equal parts of the channels, those from `first` to before `stop`: the same share at any width."""

    parts: int
    first: int
    stop: int


@dataclass(frozen=True)
class _OfTwo:
    source: int
    other: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source, self.other)

    @property
    def weights(self) -> int:
        return 0


@dataclass(frozen=True)
class Add(_OfTwo):
    """The sum of two tensors of one shape."""


@dataclass(frozen=True)
class Mul(_OfTwo):
    """A tensor times one of its shape, or of (1, 1, C)."""


@dataclass(frozen=True)
class Concat:
    """The channels of several tensors of one height and width, one after another."""

    sources: tuple[int, ...]

    @property
    def weights(self) -> int:
        return 0


Weightless = Act | Affine | GlobalPool | Flatten | Pool | Shuffle | Slice | Add | Mul | Concat
Deployed = Conv | Linear | Weightless
"""What writers of files know."""
Node = Deployed | Norm
IN_PLACE = (Act, Affine, Add, Mul)
"""What may write where its first source was."""
