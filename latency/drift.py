"""Take the machine's own changes of speed out of interleaved timings.

Clock changes and other programs make everything slower or faster together, for a while. Rounds visit the
items in random order, so what all items near a moment have in common is the machine, not the items.
"""

from collections.abc import Mapping

import numpy as np

from latency.devices import Visit

WINDOW = 15
"""Visits over which the machine's speed is estimated: short against its changes, long against single outliers."""

Visits = Mapping[Visit, tuple[float, ...]]
"""Milliseconds of every visit, in the order in which they were measured."""


def machine_slowness(visits: Visits) -> np.ndarray:
    """Per visit, how slow the machine was then, relative to its own faster moments (lower quartile = 1)."""
    _, items = np.unique([item for _, item in visits], return_inverse=True)
    visits_of = np.split(np.argsort(items, kind="stable"), np.cumsum(np.bincount(items))[:-1])
    log_ms = np.log([np.median(samples) for samples in visits.values()])
    slowness = np.zeros(len(log_ms))
    for _ in range(2):
        level = log_ms - slowness
        typical = np.array([np.median(level[own]) for own in visits_of])
        slowness = rolling_median(log_ms - typical[items])
    relative: np.ndarray = np.exp(slowness - np.percentile(slowness, 25))
    return relative


def correct_drift(visits: Visits) -> dict[Visit, tuple[float, ...]]:
    """The timings as if the machine had kept the speed of its faster moments.

    With fewer visits than a window there is nothing to estimate from: they are returned as they are.
    """
    if len(visits) < 2 * WINDOW:
        return dict(visits)
    pairs = zip(visits.items(), machine_slowness(visits), strict=True)
    return {visit: tuple(float(ms / slow) for ms in samples) for (visit, samples), slow in pairs}


def rolling_median(values: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Median of the neighbours of each value, half of the window on each side, without the value itself."""
    half = window // 2
    padded = np.pad(values, half, mode="reflect")
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    medians: np.ndarray = np.median(np.delete(near, half, axis=1), axis=1)
    return medians
