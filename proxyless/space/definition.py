"""A space written down: a stem, stages of blocks, a head. The shipped spaces are such definitions, and YAML files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyless.errors import InputError, shown
from proxyless.ops import Activation, LayerSpec, Shape, divisible, has_shortcut, layer_cost, network_cost
from proxyless.space.space import SKIP, Layer, Space

SUFFIXES = (".yaml", ".yml")
"""Of files with definitions."""
MAX_PARAMS = 10**9
"""Of the largest network of a space: 4 GB as float32."""
MIN_WIDTH_MULT, MAX_WIDTH_MULT = 0.05, 10.0
_MAX_BLOCKS = 1000

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Operation(_Part):
    """What a block may be. op: an operator. expand: inner channels over input channels. act, se: those of the stage
    where they are left out; se is the squeeze's channels over the inner ones."""

    op: str = "mbconv"
    kernel: int = Field(3, ge=1, le=31)
    expand: float = Field(1, gt=0, le=64)
    groups: int = Field(1, ge=1, le=1024)
    act: Activation | None = None
    se: float | None = Field(None, ge=0, le=1)

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
            se=divisible(mid * share) if share else 0,
            groups=self.groups,
        )
        keeps = stride == 1 and in_shape == out_shape
        return replace(spec, residual=True) if keeps and has_shortcut(spec) else spec


Operations = Annotated[dict[Name, Operation], Field(max_length=100)]


class Fixed(Operation):
    """A block that every network has."""

    width: int
    stride: int = 1


class Stem(_Part):
    """The convolution on the image."""

    width: int
    kernel: int = Field(3, ge=1, le=31)
    stride: int = 2
    act: Activation | None = None


class Stage(_Part):
    """Searched blocks of one width; the first one has the stride.

    min_depth: so many blocks are in every network; the others may be skipped where they keep the shape. ops: by name;
    those of the whole space where they are left out. changing: further ones of a block that does not keep the shape.
    """

    width: int
    depth: int = Field(1, ge=1, le=_MAX_BLOCKS)
    stride: int = 1
    min_depth: int = Field(0, ge=0)
    act: Activation | None = None
    se: float = Field(0, ge=0, le=1)
    ops: Operations | None = None
    changing: Operations = {}

    @model_validator(mode="after")
    def _has_so_many(self) -> Self:
        if self.min_depth > self.depth:
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
    """A whole space. act: of everything that has none of its own."""

    name: Name
    resolution: int = 224
    num_classes: int = 1000
    act: Activation = "relu6"
    stem: Stem
    fixed: list[Fixed] = Field([], max_length=100)
    ops: Operations = {}
    stages: list[Stage] = Field(min_length=1, max_length=_MAX_BLOCKS)
    head: Head

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        blocks = sum(stage.depth for stage in self.stages)
        if blocks > _MAX_BLOCKS:
            raise ValueError(f"the stages have {blocks} blocks, more than {_MAX_BLOCKS}; make it smaller")
        if self.name.endswith(SUFFIXES):
            raise ValueError(f"the name {self.name!r} is that of a file; choose another")
        return self

    def build(self, args: Mapping[str, Any], width_mult: float = 1.0) -> Space:
        """The space. args: what its documents say of it. width_mult: of all widths; the head never shrinks.

        Raises:
            InputError: something outside of what a network can have, named.
        """
        check_width_mult(self.name, width_mult)
        return _check_size(_Builder(self, width_mult).space(args))


def scaled(width: int, width_mult: float) -> int:
    """Channels times the multiplier, a multiple of 8; as they are where it is 1."""
    return width if width_mult == 1.0 else divisible(width * width_mult)


def check_width_mult(name: str, width_mult: float) -> None:
    """Raise InputError unless every width can be multiplied so."""
    if not MIN_WIDTH_MULT <= width_mult <= MAX_WIDTH_MULT:
        raise InputError(
            f"width_mult of space {name!r} must be from {MIN_WIDTH_MULT:g} to {MAX_WIDTH_MULT:g}, "
            f"got {shown(width_mult)}"
        )


class _Builder:
    """Goes along the network; `shape` is that of the last output."""

    def __init__(self, definition: Definition, width_mult: float) -> None:
        self.definition, self.width_mult = definition, width_mult
        self._check(8, 4096, resolution=definition.resolution)
        self._check(1, 100_000, num_classes=definition.num_classes)
        self.shape: Shape = (definition.resolution, definition.resolution, 3)

    def space(self, args: Mapping[str, Any]) -> Space:
        definition = self.definition
        before = [self._stem(), *map(self._fixed, definition.fixed)]
        layers = [layer for number, stage in enumerate(definition.stages, 1) for layer in self._stage(number, stage)]
        return Space(definition.name, dict(args), tuple(before), tuple(layers), self._head())

    def _check(self, low: int, high: int, **values: int) -> None:
        for argument, value in values.items():
            if not low <= value <= high:
                raise InputError(
                    f"{argument} of space {self.definition.name!r} must be from {low} to {high}, got {shown(value)}"
                )

    def _next(self, name: str, width: int, stride: int, width_mult: float) -> Shape:
        """The shape of the next output."""
        self._check(1, 65_536, **{f"{name}_width": width})
        self._check(1, 2, **{f"{name}_stride": stride})
        self.shape = (-(-self.shape[0] // stride), -(-self.shape[1] // stride), scaled(width, width_mult))
        return self.shape

    def _stem(self) -> LayerSpec:
        stem, image = self.definition.stem, self.shape
        out = self._next("stem", stem.width, stem.stride, self.width_mult)
        return LayerSpec("conv", image, out, stem.kernel, 1, stem.stride, act=stem.act or self.definition.act)

    def _fixed(self, block: Fixed) -> LayerSpec:
        before = self.shape
        out = self._next("fixed", block.width, block.stride, self.width_mult)
        return block.spec(before, out, block.stride, self.definition.act, 0)

    def _stage(self, number: int, stage: Stage) -> list[Layer]:
        ops = self.definition.ops if stage.ops is None else stage.ops
        if not ops or SKIP in {**ops, **stage.changing}:
            wanted = "no operations; list some" if not ops else f"an operation {SKIP!r}; leave it out, see min_depth"
            raise InputError(f"stage {number} of space {self.definition.name!r} has {wanted}")
        return [self._layer(stage, ops, block) for block in range(stage.depth)]

    def _layer(self, stage: Stage, ops: Mapping[str, Operation], block: int) -> Layer:
        before, stride = self.shape, stage.stride if block == 0 else 1
        after = self._next("stage", stage.width, stride, self.width_mult)
        keeps = stride == 1 and before == after
        act = stage.act or self.definition.act
        offered = ops if keeps else {**ops, **stage.changing}
        choices: dict[str, LayerSpec | None] = {
            name: op.spec(before, after, stride, act, stage.se) for name, op in offered.items()
        }
        return Layer.of(before, after, {**choices, SKIP: None} if keeps and block >= stage.min_depth else choices)

    def _head(self) -> tuple[LayerSpec, LayerSpec]:
        head, wider = self.definition.head, max(1.0, self.width_mult)
        before, act = self.shape, head.act or self.definition.act
        features = self._next("head", head.width, 1, wider)
        mix = LayerSpec("conv", before, features, act=act)
        out = (1, 1, self.definition.num_classes)
        if head.classifier == "classifier":
            return mix, LayerSpec("classifier", features, out, act="none")
        expand = scaled(head.hidden or head.width, wider) / features[2]
        return mix, LayerSpec(head.classifier, features, out, expand=expand, act=act)


def _check_size(space: Space) -> Space:
    """Widths that are fine one by one may be too much together."""
    searched = ([spec for _, spec in layer.choices if spec] for layer in space.layers)
    params = network_cost(space.fixed).params + sum(
        max(layer_cost(spec).params for spec in specs) for specs in searched
    )
    if params > MAX_PARAMS:
        raise InputError(
            f"networks of space {space.name!r} would have up to {params:,} parameters with these widths, more than "
            f"{MAX_PARAMS:,}; take smaller widths"
        )
    return space
