"""A measurement is a value: what was sampled, and how far it can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

NOISY_IQR = 0.15
"""Interquartile range over median above which a measurement calls itself noisy."""


@dataclass(frozen=True)
class Measurement:
    """Repeated timings of one item in milliseconds, grouped by round (one visit each).

    A round is summarised by its median, the item by the lower quartile over rounds: whatever else the
    machine does can only slow a round down. Of the summaries compared (median, lower quartile and
    minimum, within and over rounds) this one and the minimum repeat best; it needs no lucky round.
    """

    rounds: tuple[tuple[float, ...], ...]

    @cached_property
    def round_ms(self) -> np.ndarray:
        """Median of each round."""
        return np.array([np.median(samples) for samples in self.rounds])

    @property
    def ms(self) -> float:
        """The item's latency."""
        return _summary(self.round_ms)

    @property
    def iqr_ms(self) -> float:
        """Interquartile range over all samples."""
        low, high = np.percentile(np.concatenate([np.asarray(r) for r in self.rounds]), [25, 75])
        return float(high - low)

    @property
    def count(self) -> int:
        return sum(len(samples) for samples in self.rounds)

    @property
    def noisy(self) -> bool:
        return self.iqr_ms > NOISY_IQR * self.ms

    def halves_ms(self) -> tuple[float, float]:
        """The latency from the even and from the odd rounds alone: their difference is the repeatability."""
        return _summary(self.round_ms[::2]), _summary(self.round_ms[1::2])


def _summary(round_ms: np.ndarray) -> float:
    return float(np.percentile(round_ms, 25))


def repeatability_pct(measurements: Sequence[Measurement]) -> float:
    """RMS over the items of the relative difference between their two halves, in per cent."""
    halves = np.array([m.halves_ms() for m in measurements])
    return float(100 * np.sqrt(np.mean((halves[:, 0] / halves[:, 1] - 1) ** 2)))
