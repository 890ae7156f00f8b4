"""Which rows to measure next: those so doubtfully predicted that networks with them would be predicted badly."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latency.design import kind_of, spread_rows
from latency.fit.columns import count_layers
from latency.fit.row_model import MIN_ROWS, RowModel
from proxyless.space import LayerSpec, Space

TARGET_PCT = 1.0
"""RMS error that predicted rows may bring into networks; noise and calibration have theirs."""
ONE_ROW_PCT = 1.5
"""The same of a single row, in a network of middling latency that has it."""
_NETWORKS = 300
_LEAST, _GROWTH = 12, 0.5
"""Most rows of a pass, so many or so large a share of those that were measured: after them the model looks again."""

RowsMs = Mapping[LayerSpec, float]


@dataclass(frozen=True)
class Predicted:
    """The rows that were not measured. ms, deviation: of each, and its relative standard deviation.

    measured: how many rows were. left_out_pct: RMS error of these, predicted from the other ones. alone: of each row,
    the relative error that it brings into a network of middling latency. frequency: how often a random network has it.
    """

    specs: tuple[LayerSpec, ...]
    ms: np.ndarray
    deviation: np.ndarray
    left_out_pct: float
    measured: int
    alone: np.ndarray
    frequency: np.ndarray

    @staticmethod
    def of(space: Space, measured_ms: RowsMs) -> "Predicted | None":
        """None where every row was measured."""
        specs = tuple(spec for spec in space.specs() if spec not in measured_ms)
        if not specs:
            return None
        kinds = set(map(kind_of, specs))  # a stem says nothing of a block
        alike = {spec: ms for spec, ms in measured_ms.items() if kind_of(spec) in kinds}
        known = alike if len(alike) >= MIN_ROWS else measured_ms
        model = RowModel.fit(list(known), list(known.values()))
        ms, deviation = model.predict(specs)
        rows = [*measured_ms, *specs]
        counts = _random_counts(rows, space)
        network_ms = float(np.median(counts @ [*measured_ms.values(), *ms]))
        frequency = (counts**2).mean(axis=0)[len(measured_ms) :]
        return Predicted(specs, ms, deviation, model.rmse_pct, len(measured_ms), ms * deviation / network_ms, frequency)

    @property
    def rows_pct(self) -> float:
        """RMS error to expect of the rows, in per cent."""
        return float(100 * np.sqrt(np.mean(self.deviation**2)))

    @property
    def network_pct(self) -> float:
        """RMS error that the rows bring into random networks, in per cent, where each errs on its own."""
        return float(100 * np.sqrt(self.frequency @ self.alone**2))

    def next_rows(self) -> list[LayerSpec]:
        """The rows to measure in the next pass; none where the predictions are good enough."""
        doubtful, most = self.doubtful(), max(_LEAST, round(_GROWTH * self.measured))
        return doubtful if len(doubtful) <= most else spread_rows(doubtful, most)

    def doubtful(self) -> list[LayerSpec]:
        """The rows without which the others are good enough, those that matter most first; none where all are."""
        matter = np.maximum(self.frequency * self.alone**2, 1e-30)
        order = np.lexsort((-matter, self.alone <= ONE_ROW_PCT / 100))
        left = np.cumsum(matter[order][::-1])[::-1]
        needed = (left > (TARGET_PCT / 100) ** 2) | (self.alone[order] > ONE_ROW_PCT / 100)
        return [self.specs[index] for index in order[needed]]


def _random_counts(rows: list[LayerSpec], space: Space) -> np.ndarray:
    rng = random.Random(0)  # noqa: S311
    return count_layers(rows, [space.network(space.random_ops(rng)) for _ in range(_NETWORKS)])
