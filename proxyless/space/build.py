"""From a definition to its space: along the network, with every shape."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, Lowered, Shape, composition, divisible, layer_cost, lower_layer
from proxyless.space.decisions import SKIP, Decision, Kind, Slot
from proxyless.space.definition import MAX_BLOCKS, Definition, Fixed, Numbers, Operation, Stage, as_list
from proxyless.space.factors import space_factors
from proxyless.space.space import Space

MAX_PARAMS = 10**9
"""Of the largest network of a space: 4 GB as float32."""
MAX_COMBINATIONS = 50_000
"""Of the choices that one layer depends on."""
MIN_WIDTH_MULT, MAX_WIDTH_MULT = 0.05, 10.0


def scaled(width: int, width_mult: float) -> int:
    """Channels times the multiplier, a multiple of 8; as they are where it is 1."""
    return width if width_mult == 1.0 else divisible(width * width_mult)


def check_width_mult(name: str, width_mult: float, argument: str = "width_mult") -> None:
    """Raise InputError unless every width can be multiplied so."""
    if not MIN_WIDTH_MULT <= width_mult <= MAX_WIDTH_MULT:
        raise InputError(
            f"{argument} of space {name!r} must be from {MIN_WIDTH_MULT:g} to {MAX_WIDTH_MULT:g}, "
            f"got {shown(width_mult)}"
        )


def chosen_widths(name: str, width: int, factors: Sequence[float]) -> Numbers:
    """The width times each of the factors, without those that come to the same; it is what is chosen from.

    Raises:
        InputError: a factor that no width can be multiplied by.
    """
    for factor in factors:
        check_width_mult(name, factor, "width_factors")
    several = list(dict.fromkeys(scaled(width, factor) for factor in factors))
    return several if len(several) > 1 else several[0]


def build(definition: Definition, args: Mapping[str, Any], width_mult: float = 1.0) -> Space:
    """The space. args: what its documents say of it. width_mult: of all widths; the head never shrinks.

    Raises:
        InputError: something outside of what a network can have, named.
    """
    check_width_mult(definition.name, width_mult)
    return _check_size(_Builder(definition, width_mult).space(args))


class _Axis(NamedTuple):
    """A number, or what an operation is called, that a decision chooses; its only value where there is none."""

    decision: int | None
    values: tuple[Any, ...]


class _Builder:
    """Goes along the network; `sides` and `width` are those of the last output."""

    def __init__(self, definition: Definition, width_mult: float) -> None:
        self.definition, self.width_mult = definition, width_mult
        self._check(1, 100_000, num_classes=definition.num_classes)
        self.decisions: list[Decision] = []
        self.slots: list[Slot] = []
        self.sides = self._numbers("resolution", "resolution", definition.resolution, 8, 4096)
        self.width = _Axis(None, (3,))

    def space(self, args: Mapping[str, Any]) -> Space:
        self._stem()
        for number, block in enumerate(self.definition.fixed, 1):
            self._fixed(number, block)
        for number, stage in enumerate(self.definition.stages, 1):
            self._stage(number, stage)
        self._head()
        return Space(self.definition.name, dict(args), tuple(self.decisions), tuple(self.slots))

    def _check(self, low: int, high: int, **values: int) -> None:
        for argument, value in values.items():
            if not low <= value <= high:
                raise InputError(
                    f"{argument} of space {self.definition.name!r} must be from {low} to {high}, got {shown(value)}"
                )

    def _decide(self, name: str, kind: Kind, values: Sequence[Any]) -> _Axis:
        """A new decision; none where there is one number only. Numbers are in ascending order."""
        if kind != "operation":
            values = sorted(values)
        if len(values) == 1 and kind != "operation":
            return _Axis(None, tuple(values))
        self.decisions.append(Decision(name, tuple(map(str, values)), kind))
        return _Axis(len(self.decisions) - 1, tuple(values))

    def _numbers(self, name: str, kind: Kind, numbers: Numbers, low: int, high: int) -> _Axis:
        listed = self._checked(name.replace(".", "_"), numbers, low, high)
        return self._decide(name, kind, listed)

    def _checked(self, argument: str, numbers: Numbers, low: int, high: int) -> list[int]:
        listed = as_list(numbers)
        for number in listed:
            self._check(low, high, **{argument: number})
        if len(set(listed)) < len(listed):
            raise InputError(f"{argument} of space {self.definition.name!r} has a number twice, {listed}; name it once")
        return listed

    def _widths(self, name: str, numbers: Numbers, width_mult: float) -> _Axis:
        listed = self._checked(f"{name}_width", numbers, 1, 65_536)
        return self._decide(f"{name}.width", "width", list({scaled(number, width_mult) for number in listed}))

    def _smaller(self, name: str, stride: int) -> _Axis:
        """The sides of what a stride leaves."""
        self._check(1, 2, **{f"{name}_stride": stride})
        return _Axis(self.sides.decision, tuple(-(-side // stride) for side in self.sides.values))

    def _slot(
        self,
        sides: _Axis,
        width: _Axis,
        spec: Callable[..., LayerSpec | None],
        *further: _Axis,
    ) -> None:
        """The next layer: of these sides and width, `spec(in_shape, out_shape, *values)` of the further axes."""
        axes = (self.sides, self.width, sides, width, *further)
        scope = tuple(sorted({axis.decision for axis in axes if axis.decision is not None}))
        sizes = tuple(len(self.decisions[decision].choices) for decision in scope)
        if (count := prod(sizes)) > MAX_COMBINATIONS:
            raise InputError(
                f"space {self.definition.name!r} has {count:,} combinations of resolution, widths and operations in "
                f"one place, more than {MAX_COMBINATIONS:,}; list fewer"
            )
        specs = []
        for indices in product(*map(range, sizes)):
            at: dict[int | None, int] = dict(zip(scope, indices, strict=True))
            side, channels, out_side, out_channels, *values = (axis.values[at.get(axis.decision, 0)] for axis in axes)
            specs.append(spec((side, side, channels), (out_side, out_side, out_channels), *values))
        self.slots.append(Slot(scope, sizes, tuple(specs)))
        self.sides, self.width = sides, width

    def _stem(self) -> None:
        stem, act = self.definition.stem, self.definition.act
        width = self._widths("stem", stem.width, self.width_mult)
        self._slot(
            self._smaller("stem", stem.stride),
            width,
            lambda image, out: LayerSpec("conv", image, out, stem.kernel, 1, stem.stride, act=stem.act or act),
        )

    def _fixed(self, number: int, block: Fixed) -> None:
        act = self.definition.act
        width = self.width
        if block.width is not None:
            width = self._widths(f"fixed{number}" if number > 1 else "fixed", block.width, self.width_mult)
        self._slot(
            self._smaller("fixed", block.stride),
            width,
            lambda before, after: block.spec(before, after, block.stride, act, 0),
        )
        _check_alike(self.slots[-1], [block.op])

    def _stage(self, number: int, stage: Stage) -> None:
        ops = self.definition.ops if stage.ops is None else stage.ops
        if not ops or SKIP in {**ops, **stage.changing}:
            wanted = "no operations; list some" if not ops else f"an operation {SKIP!r}; leave it out, see min_depth"
            raise InputError(f"stage {number} of space {self.definition.name!r} has {wanted}")
        name = f"stage{number}"
        width = self._widths(name, stage.width, self.width_mult)
        depth = self._numbers(f"{name}.depth", "depth", stage.depth, 1, MAX_BLOCKS)
        shared = self._decide(f"{name}.blocks", "operation", list(ops)) if stage.shared else None
        for block in range(stage.blocks):
            self._block(f"{name}.block{block + 1}", stage, ops, block, width, depth, shared)

    def _block(
        self,
        name: str,
        stage: Stage,
        ops: Mapping[str, Operation],
        block: int,
        width: _Axis,
        depth: _Axis,
        shared: _Axis | None,
    ) -> None:
        stride = stage.stride if block == 0 else 1
        sides = self._smaller("stage", stride)
        keeps = stride == 1 and self.width == width
        offered = dict(ops) if keeps else {**ops, **stage.changing}
        skips = keeps and not shared and depth.decision is None and block >= (stage.min_depth or 0)
        names = [*offered, SKIP] if skips else list(offered)
        operation = shared or self._decide(name, "operation", names)
        act = stage.act or self.definition.act

        def spec(before: Shape, after: Shape, blocks: int, op: str) -> LayerSpec | None:
            if op == SKIP or block >= blocks:
                return None
            return offered[op].spec(before, after, stride, act, stage.se)

        self._slot(sides, width, spec, depth, operation)
        _check_distinct(self.slots[-1], names)
        _check_alike(self.slots[-1], names)

    def _head(self) -> None:
        head, wider = self.definition.head, max(1.0, self.width_mult)
        act = head.act or self.definition.act
        features = self._widths("head", head.width, wider)
        self._slot(self.sides, features, lambda before, after: LayerSpec("conv", before, after, act=act))
        hidden = scaled(head.hidden or head.width, wider)

        def classifier(before: Shape, after: Shape) -> LayerSpec:
            if head.classifier == "classifier":
                return LayerSpec("classifier", before, after, act="none")
            return LayerSpec(head.classifier, before, after, expand=hidden / before[2], act=act)

        self._slot(_Axis(None, (1,)), _Axis(None, (self.definition.num_classes,)), classifier)


def _check_distinct(slot: Slot, ops: Sequence[str]) -> None:
    """Raise InputError where two operations of a place are the same layer, or one leads elsewhere."""
    names: dict[Lowered | None, str] = {}
    for name, spec in zip(ops, slot.specs[-len(ops) :], strict=True):  # the operation is the decision made last
        lowered = lower_layer(spec) if spec else None
        if lowered in names:
            raise InputError(f"operations {names[lowered]!r} and {name!r} are the same; leave one out")
        names[lowered] = name


def _check_alike(slot: Slot, ops: Sequence[str]) -> None:
    """Raise InputError where an operation has other parts at one width than at another, as where its inner channels
    round to those of its input: with searched widths, its weights are parts of the largest one's."""
    for number, name in enumerate(ops):
        specs = [spec for spec in slot.specs[number :: len(ops)] if spec]
        for spec in specs[1:]:
            if composition(spec) != composition(specs[0]):
                raise InputError(
                    f"operation {name!r} has other parts as [{spec}] than as [{specs[0]}], and smaller layers are "
                    "parts of the largest; let it have the same parts at every width, or give the stage one width"
                )


def _check_size(space: Space) -> Space:
    """Widths that are fine one by one may be too much together."""
    constant, factors = space_factors(space, lambda spec: layer_cost(spec).params)
    params = constant + sum(float(factor.values.max()) for factor in factors)
    if params > MAX_PARAMS:
        raise InputError(
            f"networks of space {space.name!r} would have up to {params:,.0f} parameters with these widths, more than "
            f"{MAX_PARAMS:,}; take smaller widths"
        )
    return space
