"""A space written down: a stem, stages of blocks, a head. The shipped spaces are such definitions, and YAML files."""

from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyless.ops import Activation, LayerSpec, Shape, divisible, has_shortcut

SUFFIXES = (".yaml", ".yml")
"""Of files with definitions."""
MAX_BLOCKS = 1000

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]


Numbers = int | Annotated[list[int], Field(min_length=1, max_length=64)]
"""One, or those to choose from."""


def as_list(numbers: Numbers) -> list[int]:
    return numbers if isinstance(numbers, list) else [numbers]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Operation(_Part):
    """What a block may be. op: an operator. expand: inner channels over input channels. act, se: those of the stage
    where they are left out; se is the squeeze's channels over the inner ones, to a multiple of 8 (MobileNetV3), or over
    those of the input, rounded down (EfficientNet): se_of."""

    op: str = "mbconv"
    kernel: int = Field(3, ge=1, le=31)
    expand: float = Field(1, gt=0, le=64)
    groups: int = Field(1, ge=1, le=1024)
    act: Activation | None = None
    se: float | None = Field(None, ge=0, le=1)
    se_of: Literal["inner", "input"] = "inner"

    def spec(self, in_shape: Shape, out_shape: Shape, stride: int, act: Activation, se: float) -> LayerSpec:
        """The layer at a place. act, se: of the stage."""
        mid = max(1, round(in_shape[2] * self.expand))
        share = se if self.se is None else self.se
        spec = LayerSpec(
            self.op,
            in_shape,
            out_shape,
            self.kernel,
            mid / in_shape[2],
            stride,
            act=self.act or act,
            se=self._squeezed(mid, in_shape[2], share) if share else 0,
            groups=self.groups,
        )
        keeps = stride == 1 and in_shape == out_shape
        return replace(spec, residual=True) if keeps and has_shortcut(spec) else spec

    def _squeezed(self, inner: int, inputs: int, share: float) -> int:
        return divisible(inner * share) if self.se_of == "inner" else max(1, int(inputs * share))


Operations = Annotated[dict[Name, Operation], Field(max_length=100)]


class Fixed(Operation):
    """A block that every network has. width: one, several to choose from, or that of its input."""

    width: Numbers | None = None
    stride: int = 1


class Stem(_Part):
    """The convolution on the image. width: one, or several to choose from."""

    width: Numbers
    kernel: int = Field(3, ge=1, le=31)
    stride: int = 2
    act: Activation | None = None


class Stage(_Part):
    """Searched blocks of one width; the first one has the stride.

    width, depth: a number, or several to choose from. min_depth: so many blocks are in every network; the others may be
    skipped, each by itself, where they keep the shape; not where depths are chosen. ops: by name; those of the whole
    space where they are left out. changing: further ones of a block that does not keep the shape. shared: one choice of
    operation for all blocks.
    """

    width: Numbers
    depth: Numbers = 1
    stride: int = 1
    min_depth: int | None = Field(None, ge=0)
    shared: bool = False
    act: Activation | None = None
    se: float = Field(0, ge=0, le=1)
    ops: Operations | None = None
    changing: Operations = {}

    @property
    def blocks(self) -> int:
        """At most."""
        return max(as_list(self.depth))

    @model_validator(mode="after")
    def _has_so_many(self) -> Self:
        if not 1 <= min(as_list(self.depth)) <= self.blocks <= MAX_BLOCKS:
            raise ValueError(f"depth must be from 1 to {MAX_BLOCKS}, got {self.depth}; change it")
        if self.min_depth is not None and (self.shared or isinstance(self.depth, list)):
            raise ValueError("min_depth is for blocks that are chosen one by one; leave it out, or give one depth")
        if (self.min_depth or 0) > self.blocks:
            raise ValueError(f"min_depth {self.min_depth} is more than depth {self.depth}; lower it")
        return self


class Head(_Part):
    """A 1x1 convolution and the classifier. hidden: width of what stands between pooling and the last layer, of those
    that have one."""

    width: int
    act: Activation | None = None
    classifier: Literal["classifier", "wide_classifier", "mixed_classifier"] = "classifier"
    hidden: int | None = Field(None, ge=1, le=65_536)

    @model_validator(mode="after")
    def _hidden_is_used(self) -> Self:
        if self.hidden is not None and self.classifier == "classifier":
            raise ValueError("hidden is for wide_classifier and mixed_classifier; leave it out, or choose one of them")
        return self


class Definition(_Part):
    """A whole space. resolution: side of the square input in pixels, one or several to choose from. act: of everything
    that has none of its own."""

    name: Name
    resolution: Numbers = 224
    num_classes: int = 1000
    act: Activation = "relu6"
    stem: Stem
    fixed: list[Fixed] = Field([], max_length=100)
    ops: Operations = {}
    stages: list[Stage] = Field(min_length=1, max_length=MAX_BLOCKS)
    head: Head

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        blocks = sum(stage.blocks for stage in self.stages)
        if blocks > MAX_BLOCKS:
            raise ValueError(f"the stages have {blocks} blocks, more than {MAX_BLOCKS}; make it smaller")
        if self.name.endswith(SUFFIXES):
            raise ValueError(f"the name {self.name!r} is that of a file; choose another")
        return self
