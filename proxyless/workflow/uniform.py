"""Networks as one would make them without a search: one operation in every layer, scaled to a latency (MobileNetV2)."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, zip_longest

from proxyless.space import SKIP, Architecture, Space, build_space
from proxyless.space.bounds import Bound, keeps
from proxyless.space.build import MAX_WIDTH_MULT, MIN_WIDTH_MULT

USUAL = ("k3e3", "k3e6", "k5e6", "k7e6")
"""`k3e6` is MobileNetV2's."""
_MOST = 4

WIDTH_STEPS = range(5, 201)
"""Twentieths of the space's own widths: 0.25 to 10 of them."""


def uniform_ops(space: Space) -> list[str]:
    """The operations that can be taken everywhere: the usual ones, or the first that there are."""
    everywhere = [op for op in space.layers[0].ops if op != SKIP and all(op in layer.ops for layer in space.layers)]
    return [op for op in USUAL if op in everywhere] or everywhere[:_MOST]


def scaled(space: Space, op: str, step: int) -> Architecture:
    """The operation in every layer, at `step` of `WIDTH_STEPS`, as far as the space can be scaled."""
    own = float(space.args.get("width_mult", 1.0))
    scale = min(max(round(own * step / 20, 6), MIN_WIDTH_MULT), MAX_WIDTH_MULT)
    wide = build_space(space.name, {**space.args, "width_mult": scale})
    return Architecture(wide, (op,) * len(wide.layers))


def shallower(space: Space, op: str, bounds: Sequence[Bound]) -> list[int] | None:
    """The operation in every layer, but for the fewest skips that keep the bounds: the last blocks of each stage first.

    Returns the index of the operation in each layer; None where it is no operation of some layer, or skips are not
    enough.
    """
    if not all(op in layer.ops for layer in space.layers):
        return None
    path = space.ops_path([op] * len(space.layers))
    for index in _skippable(space):
        if keeps(path, bounds):
            break
        path[index] = space.layers[index].ops.index(SKIP)
    return path if keeps(path, bounds) else None


def _skippable(space: Space) -> Iterator[int]:
    """Layers that can be skipped: the last of each stage, the latest stage first, then the one before it of each."""
    stages = [
        list(stage) for _, stage in groupby(range(len(space.layers)), lambda index: space.layers[index].out_shape)
    ]
    blocks = [[index for index in reversed(stage) if SKIP in space.layers[index].ops] for stage in reversed(stages)]
    return (index for index in chain.from_iterable(zip_longest(*blocks)) if index is not None)
