"""Fit sums of isolated rows to whole networks, and say how well that predicts networks not in the fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from latency.table import Fit, LatencyTable, Row
from proxyless.errors import CheckError

MIN_NETS = 5
"""Fewer whole networks than this cannot carry a fit of two coefficients and an error estimate."""


@dataclass(frozen=True)
class Errors:
    """How predictions compare with measurements; percentages are relative to the measurement."""

    rmse_pct: float
    bias_pct: float
    within_5pct: float
    within_10pct: float
    kendall: float


def prediction_errors(predicted_ms: Sequence[float], measured_ms: Sequence[float]) -> Errors:
    """Errors of predictions, arrays of equal length in milliseconds."""
    measured = np.asarray(measured_ms)
    relative = 100 * (np.asarray(predicted_ms) - measured) / measured
    return Errors(
        rmse_pct=float(np.sqrt(np.mean(relative**2))),
        bias_pct=float(relative.mean()),
        within_5pct=float(100 * np.mean(np.abs(relative) <= 5)),
        within_10pct=float(100 * np.mean(np.abs(relative) <= 10)),
        kendall=float(kendalltau(predicted_ms, measured).statistic),
    )


def calibrate(
    table: LatencyTable, sums_ms: Sequence[float], measured_ms: Sequence[float], repeatability_pct: float
) -> LatencyTable:
    """A table whose rows are scaled, and whose overhead is set, so that it predicts whole networks.

    Both coefficients are fitted to relative errors. The overhead may be negative: an isolated layer
    pays for a call of the runtime that it shares with all others inside a network.
    sums_ms, measured_ms: per network, the sum of its rows and its measured latency.

    Raises:
        CheckError: larger sums did not take longer; the machine is too busy to measure.
    """
    sums, measured = np.asarray(sums_ms)[:, None], np.asarray(measured_ms)
    features = np.hstack([sums, np.ones_like(sums)]) / measured[:, None]
    model = LinearRegression(fit_intercept=False)
    held_out = cross_val_predict(model, features, np.ones_like(measured), cv=LeaveOneOut()) * measured
    scale, overhead = (float(value) for value in model.fit(features, np.ones_like(measured)).coef_)
    if scale <= 0:
        raise CheckError(
            f"the latency of {len(measured)} networks does not grow with the sum of their layers (slope {scale:.2g}); "
            "the machine is too busy to be measured: close other programs and profile again"
        )
    errors = prediction_errors(held_out.tolist(), measured.tolist())
    fit = Fit(
        nets=len(measured),
        heldout="leave-one-out",
        scale=scale,
        repeatability_pct=repeatability_pct,
        rmse_pct=errors.rmse_pct,
        bias_pct=errors.bias_pct,
        within_5pct=errors.within_5pct,
        within_10pct=errors.within_10pct,
        kendall=errors.kendall,
    )
    return table.model_copy(
        update={
            "overhead_ms": overhead,
            "fixed": [_scaled(row, scale) for row in table.fixed],
            "rows": [_scaled(row, scale) for row in table.rows],
            "fit": fit,
        }
    )


def _scaled(row: Row, scale: float) -> Row:
    return row.model_copy(update={"ms": row.ms * scale, "measured_ms": row.ms, "source": "calibrated"})
