"""The part of a space that keeps the peak memory of its activations within a limit.

The peak of a network is the largest peak of its layers: a network keeps a limit exactly when every one of its layers
does. Choices that cannot be in such a network are left out of the space; where what is allowed depends on several
decisions at once, a bound forbids the rest.
"""

from collections.abc import Sequence

import numpy as np

from proxyless.errors import InputError
from proxyless.ops import LayerSpec, peak_values
from proxyless.space.bounds import Bound
from proxyless.space.factors import Factor, cheapest_path, space_factors
from proxyless.space.space import Space

_FLOAT32_BYTES = 4


def peak_bytes(layers: list[LayerSpec]) -> int:
    """Peak of float32 activations of a network at batch 1, given as its layers."""
    return max(map(peak_values, layers)) * _FLOAT32_BYTES


def within_memory(space: Space, limit_bytes: float) -> Space:
    """The part of the space with all networks that peak at no more than the limit; `memory_bound` leaves out the rest.

    Raises:
        InputError: no network does.
    """
    peaks = [
        Factor(slot.scope, np.reshape([peak_values(spec) if spec else 0.0 for spec in slot.specs], slot.sizes))
        for slot in space.slots
    ]
    smallest = peak_bytes(space.path_network(cheapest_path(peaks, space.sizes, np.maximum)))
    if smallest > limit_bytes:
        raise InputError(
            f"no network of the space keeps its activations within {limit_bytes / 1e6:.4g} MB; "
            f"ask for at least {smallest / 1e6 + 5e-4:.3f} MB"
        )
    kept = [list(range(size)) for size in space.sizes]
    while (fewer := _possible(peaks, kept, limit_bytes / _FLOAT32_BYTES)) != kept:
        kept = fewer
    return space.keeping(kept)


def _possible(peaks: Sequence[Factor], kept: Sequence[Sequence[int]], limit: float) -> list[list[int]]:
    """Of the choices that are kept those that stand, in every slot, in a combination within the limit."""
    possible = [np.isin(np.arange(1 + max(indices)), indices) for indices in kept]
    for factor in peaks:
        fits = factor.keeping(kept).values <= limit
        for place, decision in enumerate(factor.scope):
            others = tuple(axis for axis in range(fits.ndim) if axis != place)
            possible[decision][list(kept[decision])] &= fits.any(axis=others)
    return [[int(index) for index in np.flatnonzero(mask)] for mask in possible]


def memory_bound(space: Space, limit_bytes: float) -> Bound | None:
    """On the number of layers beyond the limit, of which a network has none; None where no combination has one."""
    limit = limit_bytes / _FLOAT32_BYTES
    constant, factors = space_factors(space, lambda spec: float(peak_values(spec) > limit))
    if not any(factor.values.any() for factor in factors):
        return None
    return Bound("layers beyond the memory", "", constant, space.sizes, factors, 0.5, float("inf"))
