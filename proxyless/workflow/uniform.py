"""Networks as one would make them without a search: one operation in every layer, scaled to a latency (MobileNetV2)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby, product, zip_longest

from proxyless.space import SKIP, Architecture, Decision, Space, build_space
from proxyless.space.bounds import Bound, keeps
from proxyless.space.build import MAX_WIDTH_MULT, MIN_WIDTH_MULT
from proxyless.space.decisions import Kind

USUAL = ("k3e3", "k3e6", "k5e6", "k7e6")
"""`k3e6` is MobileNetV2's."""
_MOST = 4

WIDTH_STEPS = range(5, 201)
"""Twentieths of the space's own widths: 0.25 to 10 of them."""


def uniform_ops(space: Space) -> list[str]:
    """The operations that can be taken everywhere: the usual ones, or the first that there are."""
    offered = [decision.choices for decision in space.decisions if decision.kind == "operation"]
    everywhere = [op for op in offered[0] if op != SKIP and all(op in ops for ops in offered)] if offered else []
    return [op for op in USUAL if op in everywhere] or everywhere[:_MOST]


def uniform_path(space: Space, op: str, width: float = 0.5, depth: float = 1.0, resolution: float = 1.0) -> list[int]:
    """The operation in every layer: the index of the choice of every decision. width, depth, resolution: of those that
    can be chosen, from 0, the smallest everywhere, to 1, the largest.

    Raises:
        InputError: it is no operation of some layer.
    """
    places = {"width": width, "depth": depth, "resolution": resolution}
    return space.ops_path([_uniform(decision, op, places) for decision in space.decisions])


def _uniform(decision: Decision, op: str, places: Mapping[str, float]) -> str:
    if decision.kind == "operation":
        return op
    ascending = sorted(decision.choices, key=int)
    return ascending[round(places[decision.kind] * (len(ascending) - 1))]


def levels(space: Space, kind: Kind) -> list[float]:
    """Places for `uniform_path`, the largest first; the middle where there is nothing to choose."""
    several = max((len(decision.choices) for decision in space.decisions if decision.kind == kind), default=1)
    return [level / (several - 1) for level in reversed(range(several))] if several > 1 else [0.5]


def scaled(space: Space, op: str, step: int) -> Architecture:
    """The operation in every layer, at `step` of `WIDTH_STEPS`, as far as the space can be scaled."""
    own = float(space.args.get("width_mult", 1.0))
    scale = min(max(round(own * step / 20, 6), MIN_WIDTH_MULT), MAX_WIDTH_MULT)
    wide = build_space(space.name, {**space.args, "width_mult": scale})
    return Architecture(wide, wide.path_ops(uniform_path(wide, op)))


def fitted(space: Space, op: str, bounds: Sequence[Bound]) -> list[int] | None:
    """The operation in every layer, as wide as the bounds allow; where the narrowest oversteps them less deep, then at
    a lower resolution, then with the fewest skips that keep them: the last blocks of each stage first.

    Returns the index of the choice of every decision; None where it is no operation of some layer, or skips are not
    enough.
    """
    if op not in uniform_ops(space):
        return None
    for resolution, depth, width in product(*(levels(space, kind) for kind in ("resolution", "depth", "width"))):
        path = uniform_path(space, op, width, depth, resolution)
        if keeps(path, bounds):
            return path
    for index in _skippable(space):
        path[index] = space.decisions[index].choices.index(SKIP)
        if keeps(path, bounds):
            return path
    return None


def _skippable(space: Space) -> Iterator[int]:
    """Decisions that can be to skip: the last of each stage, the latest stage first, then the one before it of each."""
    shapes = {
        decision: slot.layers[-1].out_shape
        for slot in space.slots
        for decision in slot.scope
        if SKIP in space.decisions[decision].choices
    }
    stages = [list(stage) for _, stage in groupby(shapes, shapes.__getitem__)]
    blocks = [list(reversed(stage)) for stage in reversed(stages)]
    return (index for index in chain.from_iterable(zip_longest(*blocks)) if index is not None)
