"""The space of NAS-Bench-201 (Dong, Yang, ICLR 2020): six decisions, each an edge of every cell."""

from collections.abc import Iterator
from itertools import product

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, Shape
from proxyless.ops.cell import EDGE_OPS, edge_ends, is_identity, prune
from proxyless.space.build import check_width_mult, scaled
from proxyless.space.decisions import Decision, Slot
from proxyless.space.space import Space

_EDGES, _WIDTH, _STAGES = 6, 16, 3


def nasbench201(resolution: int = 32, num_classes: int = 10, cells: int = 5, width_mult: float = 1.0) -> Space:
    """Cells of four nodes, alike in the whole network; every edge is one of two convolutions, a mean, a skip, or none.

    resolution: side of the square input in pixels, a multiple of 4. num_classes: outputs of the classifier. cells: in
    each of three stages, of 16, 32 and 64 channels. width_mult: multiplies these, rounded to multiples of 8.

    Raises:
        InputError: an argument out of range.
    """
    _check(8, 4096, resolution=resolution)
    _check(1, 100_000, num_classes=num_classes)
    _check(1, 100, cells=cells)
    check_width_mult("nasbench201", width_mult)
    if resolution % 4:  # the means between two stages have no padding
        raise InputError(
            f"resolution of space 'nasbench201' must be a multiple of 4, got {resolution}; choose "
            f"{resolution // 4 * 4} or {(resolution // 4 + 1) * 4}"
        )
    decisions = tuple(Decision(f"edge{source}to{target}", EDGE_OPS) for source, target in edge_ends(_EDGES))
    slots = tuple(_slots(resolution, num_classes, cells, scaled(_WIDTH, width_mult)))
    args = {"resolution": resolution, "num_classes": num_classes, "cells": cells, "width_mult": width_mult}
    return Space("nasbench201", args, decisions, slots)


def _check(low: int, high: int, **values: int) -> None:
    for argument, value in values.items():
        if not low <= value <= high:
            raise InputError(f"{argument} of space 'nasbench201' must be from {low} to {high}, got {shown(value)}")


def _slots(side: int, num_classes: int, cells: int, width: int) -> Iterator[Slot]:
    shape = (side, side, width)
    yield _fixed(LayerSpec("conv", (side, side, 3), shape, 3, act="none"))
    for stage in range(_STAGES):
        if stage:
            before, shape = shape, (shape[0] // 2, shape[1] // 2, 2 * shape[2])
            yield _fixed(LayerSpec("reduction", before, shape, 3, stride=2, act="relu"))
        yield from [_cell(shape)] * cells
    yield _fixed(LayerSpec("norm", shape, shape, act="relu"))
    yield _fixed(LayerSpec("classifier", shape, (1, 1, num_classes), act="none"))


def _fixed(spec: LayerSpec) -> Slot:
    return Slot((), (), (spec,))


def _cell(shape: Shape) -> Slot:
    """Its layer has only the edges that matter: cells that compute the same by the same edges are the same."""
    distinct: dict[tuple[str, ...], LayerSpec | None] = {}
    specs = []
    for edges in map(prune, product(EDGE_OPS, repeat=_EDGES)):
        if edges not in distinct:
            distinct[edges] = None if is_identity(edges) else LayerSpec("cell", shape, shape, act="relu", edges=edges)
        specs.append(distinct[edges])
    return Slot(tuple(range(_EDGES)), (len(EDGE_OPS),) * _EDGES, tuple(specs))
