"""Fit sums of isolated rows to whole networks, and say how well that predicts networks not in the fit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut

from latency.fit.accuracy import accuracy
from latency.fit.columns import count_layers, indicator
from latency.fit.features import WORK, work_matrix
from latency.table import Fit, HeldOut, LatencyTable, Row
from proxyless.errors import CheckError
from proxyless.space import LayerSpec

_SCALE_PRIOR = 0.3
"""Expected size of the scale's difference from 1."""
_WORK_PRIOR, _STAGE_PRIOR, _ROW_PRIOR = 0.1, 0.05, 0.03
"""Expected size of a correction, relative to the rows: of what one kind of work costs, of one stage, of one row."""
_LEAST_NOISE = 0.005


@dataclass(frozen=True)
class NetworkTiming:
    """A whole network and its measured latency."""

    ops: tuple[str, ...]
    layers: tuple[LayerSpec, ...]
    measured_ms: float


def calibrate(table: LatencyTable, networks: Sequence[NetworkTiming], repeatability_pct: float) -> LatencyTable:
    """A table whose rows and overhead are fitted so that it predicts whole networks.

    A calibrated row is `scale * row - call + corrections`: a row timed alone includes one call of the runtime,
    a network makes only one; its caches are warmer, and its neighbours are missing. The corrections are
    ridge-regularised towards the measured row: per kind of work (multiply-accumulates by kind of convolution,
    memory traffic, operators), per stage (input shape) and per row; the noise of the measurement sets how
    much is believed. Errors are on networks left out of the fit, one at a time.

    Rows that were predicted are corrected as the others and stay marked.

    Raises:
        CheckError: larger sums did not take longer; the machine is too busy to measure.
    """
    model = _Model.of(table, networks, max(repeatability_pct / 100, _LEAST_NOISE))
    everything = np.arange(len(networks))
    held_out_ms = [float(model.predict(model.fit(train), test)[0]) for train, test in LeaveOneOut().split(everything)]
    coefficients = model.fit(everything)
    scale, call_ms = 1 + _SCALE_PRIOR * coefficients[0], coefficients[1] * model.call_unit_ms
    growth = float(np.polyfit(model.counts @ model.row_ms, model.measured_ms, 1)[0])
    if min(growth, scale) <= 0:
        raise CheckError(
            f"the latency of {len(networks)} networks does not grow with the sum of their layers (slope {growth:.2g}); "
            "the machine is too busy to be measured: close other programs and profile again with more rounds"
        )
    fit = record_fit(
        networks,
        held_out_ms,
        repeatability_pct,
        heldout="leave-one-out",
        scale=scale,
        call_ms=call_ms,
        corrections=dict(zip(model.names[2:], coefficients[2:].round(6).tolist(), strict=True)),
    )
    rows = zip([*table.fixed, *table.rows], model.rows_ms(coefficients), strict=True)
    fitted = [_calibrated(row, float(ms)) for row, ms in rows]
    fixed = len(table.fixed)
    return table.changed(overhead_ms=float(call_ms), fixed=fitted[:fixed], rows=fitted[fixed:], fit=fit)


def _calibrated(row: Row, ms: float) -> Row:
    source = row.source if row.source == "predicted" else "calibrated"
    return row.model_copy(update={"ms": ms, "measured_ms": row.ms, "source": source})


def record_fit(
    networks: Sequence[NetworkTiming],
    held_out_ms: Sequence[float] | np.ndarray,
    repeatability_pct: float,
    **details: Any,
) -> Fit:
    """What a table keeps of a fit: the networks, their predictions by fits without them, and the errors of these."""
    return Fit(
        nets=len(networks),
        repeatability_pct=repeatability_pct,
        networks=[
            HeldOut(ops=list(net.ops), measured_ms=net.measured_ms, predicted_ms=float(ms))
            for net, ms in zip(networks, held_out_ms, strict=True)
        ],
        **asdict(accuracy(held_out_ms, [net.measured_ms for net in networks])),
        **details,
    )


@dataclass(frozen=True)
class _Model:
    """A linear model of rows: calibrated = measured + corrections @ coefficients, never below zero.

    counts: (networks, rows), how often a network has a row. corrections: (rows, coefficients), milliseconds
    per unit of a coefficient, in units of its prior. The first coefficient is the scale less 1, the second the
    call in units of `call_unit_ms`.
    """

    row_ms: np.ndarray
    counts: np.ndarray
    measured_ms: np.ndarray
    names: tuple[str, ...]
    corrections: np.ndarray
    call_unit_ms: float
    noise: float

    @staticmethod
    def of(table: LatencyTable, networks: Sequence[NetworkTiming], noise: float) -> "_Model":
        rows = [*table.fixed, *table.rows]
        counts = count_layers([row.spec for row in rows], [net.layers for net in networks])
        row_ms = np.array([row.ms for row in rows])
        names, corrections = _corrections(rows, row_ms, np.flatnonzero(counts.any(axis=0)))
        measured_ms = np.array([net.measured_ms for net in networks])
        return _Model(row_ms, counts, measured_ms, names, corrections, float(row_ms.min()), noise)

    def fit(self, train: np.ndarray) -> np.ndarray:
        """Coefficients (coefficients,) from the networks of these numbers, by least squares on relative errors."""
        relative = self.counts[train] / self.measured_ms[train, None]
        features = relative @ self.corrections
        features[:, 1] += self.call_unit_ms / self.measured_ms[train]  # the one call that a network does make
        ridge = Ridge(alpha=self.noise**2, fit_intercept=False)
        return np.asarray(ridge.fit(features, 1 - relative @ self.row_ms).coef_)

    def rows_ms(self, coefficients: np.ndarray) -> np.ndarray:
        """Calibrated rows (rows,)."""
        return np.asarray(np.maximum(self.row_ms + self.corrections @ coefficients, 0.0))

    def predict(self, coefficients: np.ndarray, networks: np.ndarray) -> np.ndarray:
        """Latency of the networks of these numbers."""
        return np.asarray(self.counts[networks] @ self.rows_ms(coefficients) + coefficients[1] * self.call_unit_ms)


def _corrections(rows: Sequence[Row], row_ms: np.ndarray, used: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """What each coefficient adds to each row, (rows, coefficients), and the coefficients' names.

    used: numbers of the rows that are in any network; nothing can be learnt of another one alone.
    """
    work = work_matrix(row.spec for row in rows)
    work *= _WORK_PRIOR * row_ms.sum() / np.maximum(work.sum(0), 1e-12)
    shapes = list(dict.fromkeys(row.in_shape for row in rows))
    stage = indicator([row.in_shape for row in rows]) * row_ms[:, None]
    call = np.full(len(rows), -row_ms.min())
    own = np.zeros((len(used), len(rows)))
    own[np.arange(len(used)), used] = _ROW_PRIOR * row_ms[used]
    columns = [_SCALE_PRIOR * row_ms, call, *work.T, *(_STAGE_PRIOR * stage.T), *own]
    stages = ("stage " + "x".join(map(str, shape)) for shape in shapes)
    return ("scale", "call", *WORK, *stages, *(str(rows[number].spec) for number in used)), np.array(columns).T
