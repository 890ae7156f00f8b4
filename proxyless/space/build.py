"""From a definition to its space: along the network, with every shape."""

from collections.abc import Mapping
from typing import Any

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, Shape, divisible, layer_cost, network_cost
from proxyless.space.definition import Definition, Fixed, Operation, Stage
from proxyless.space.space import SKIP, Layer, Space

MAX_PARAMS = 10**9
"""Of the largest network of a space: 4 GB as float32."""
MIN_WIDTH_MULT, MAX_WIDTH_MULT = 0.05, 10.0


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


def build(definition: Definition, args: Mapping[str, Any], width_mult: float = 1.0) -> Space:
    """The space. args: what its documents say of it. width_mult: of all widths; the head never shrinks.

    Raises:
        InputError: something outside of what a network can have, named.
    """
    check_width_mult(definition.name, width_mult)
    return _check_size(_Builder(definition, width_mult).space(args))


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
