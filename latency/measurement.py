"""A measurement is a value: what was sampled, and how far it can be trusted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

NOISY_IQR = 0.15
"""Interquartile range over latency above which a measurement calls itself noisy."""

FASTEST_SHARE = 0.15

Summary = Callable[[np.ndarray], float]
"""One latency from the latencies of several rounds, an array of shape (rounds,) in milliseconds."""


def fastest(round_ms: np.ndarray) -> float:
    """Mean of the fastest 15 % of the rounds: whatever else the machine does can only slow a round down.

    Of the summaries compared (minimum, quantiles from 5 to 50 %, means of the fastest 5 to 30 %) it repeats
    best on machines that switch between speeds; see `docs/latency.md`.
    """
    count = max(1, round(FASTEST_SHARE * len(round_ms)))
    return float(np.sort(round_ms)[:count].mean())


def middle(round_ms: np.ndarray) -> float:
    """Median of the rounds: for timings whose drift was taken out, which may be too fast as well as too slow."""
    return float(np.median(round_ms))


@dataclass(frozen=True)
class Measurement:
    """Repeated timings of one item in milliseconds, grouped by round (one visit each)."""

    rounds: tuple[tuple[float, ...], ...]
    summary: Summary = fastest

    @cached_property
    def round_ms(self) -> np.ndarray:
        """Median of each round."""
        return np.array([np.median(samples) for samples in self.rounds])

    @property
    def ms(self) -> float:
        """The item's latency."""
        return self.summary(self.round_ms)

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

    def scaled(self, factor: float) -> "Measurement":
        """The same on a machine that is so much slower."""
        return Measurement(tuple(tuple(factor * ms for ms in samples) for samples in self.rounds), self.summary)

    def halves_ms(self) -> tuple[float, float]:
        """The latency from the even and from the odd rounds alone: their difference is the repeatability."""
        return self.summary(self.round_ms[::2]), self.summary(self.round_ms[1::2])


Measurements = Mapping[str, Measurement]


def repeatability_pct(measurements: Measurements) -> float:
    """RMS over the items of the relative difference between their two halves, in per cent."""
    halves = np.array([m.halves_ms() for m in measurements.values()])
    return float(100 * np.sqrt(np.mean((halves[:, 0] / halves[:, 1] - 1) ** 2)))
