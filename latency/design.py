"""Which of a space's many layers to measure first: some of every kind, spread over widths and resolutions."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from proxyless.space import LayerSpec

FULL_KIND = 4
"""Kinds of layer with at most so many rows are measured in full: stems, heads, whatever else is unlike the others."""

_OTHER_KIND = 1.0
"""How unlike layers of different kinds are, where 1 is from the smallest to the largest resolution or width."""

Kind = tuple[object, ...]


def kind_of(spec: LayerSpec) -> Kind:
    """What a layer does, whatever its sizes: layers of one kind have latencies that are alike."""
    return spec.op, spec.kernel, spec.stride, spec.residual, spec.act, spec.se > 0, spec.groups > 1


def spread_rows(specs: Sequence[LayerSpec], count: int, always: Sequence[LayerSpec] = ()) -> list[LayerSpec]:
    """About `count` of the layers: `always`, the rare kinds, and those that are furthest from all before them.

    Each next one is the layer that is most unlike all that were taken: extremes come first, then the gaps close.
    """
    kinds, kept = Counter(map(kind_of, specs)), set(always)
    taken = {number for number, spec in enumerate(specs) if spec in kept or kinds[kind_of(spec)] <= FULL_KIND}
    places = _places(specs)
    distance = np.full(len(specs), np.inf)
    for number in taken:
        distance = np.minimum(distance, _squared(places, number))
    while len(taken) < min(count, len(specs)):
        distance[list(taken)] = -1.0
        number = int(np.argmax(distance))
        taken.add(number)
        distance = np.minimum(distance, _squared(places, number))
    return [specs[number] for number in sorted(taken)]


def nearest(specs: Sequence[LayerSpec], known: Sequence[LayerSpec], count: int) -> np.ndarray:
    """The numbers of the known layers that are most like each layer, (layers, count)."""
    places = _places([*specs, *known])
    ours, theirs = places[: len(specs)], places[len(specs) :]
    squared = (ours**2).sum(axis=1)[:, None] - 2 * ours @ theirs.T + (theirs**2).sum(axis=1)
    return np.argsort(squared, axis=1, kind="stable")[:, :count]


def _places(specs: Sequence[LayerSpec]) -> np.ndarray:
    """Where layers are, (layers, coordinates): logarithms of the sizes, each from 0 to 1, then a mark per kind."""
    sizes = np.log([[s.in_shape[0], s.in_shape[2], s.mid_channels, s.out_shape[2]] for s in specs])
    sizes = (sizes - sizes.min(axis=0)) / np.maximum(np.ptp(sizes, axis=0), 1e-9)
    kinds = list(map(kind_of, specs))
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    marks = np.eye(len(numbers))[[numbers[kind] for kind in kinds]] * _OTHER_KIND / np.sqrt(2)
    return np.hstack([sizes, marks])


def _squared(places: np.ndarray, number: int) -> np.ndarray:
    return np.asarray(((places - places[number]) ** 2).sum(axis=1))
