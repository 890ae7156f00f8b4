"""Fit sums of isolated rows to whole networks, and say how well that predicts networks not in the fit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.stats import kendalltau
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut

from latency.table import Fit, LatencyTable, Row
from proxyless.errors import CheckError


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


@dataclass(frozen=True)
class NetworkTiming:
    """A whole network: the sum of its isolated rows, how many layers it has, and its measured latency."""

    sum_ms: float
    layers: int
    measured_ms: float


def calibrate(table: LatencyTable, networks: Sequence[NetworkTiming], repeatability_pct: float) -> LatencyTable:
    """A table whose rows and overhead are fitted so that it predicts whole networks.

    `latency = scale * sum of rows - call * (layers - 1)`: every isolated row includes one call of the
    runtime, a network makes one call only. The fit is by least squares on relative errors; the error that
    it reports is that on networks left out of it, one at a time.

    Raises:
        CheckError: larger sums did not take longer; the machine is too busy to measure.
    """
    model = _Model(min(row.ms for row in [*table.fixed, *table.rows]))
    held_out = [
        model.fit([networks[i] for i in train]).predict(networks[test[0]])
        for train, test in LeaveOneOut().split(networks)
    ]
    measured = [net.measured_ms for net in networks]
    scale, call_ms = model.fit(networks).coefficients
    if scale <= 0:
        raise CheckError(
            f"the latency of {len(measured)} networks does not grow with the sum of their layers (slope {scale:.2g}); "
            "the machine is too busy to be measured: close other programs and profile again"
        )
    errors = prediction_errors(held_out, measured)
    fit = Fit(
        nets=len(measured),
        heldout="leave-one-out",
        scale=scale,
        call_ms=call_ms,
        repeatability_pct=repeatability_pct,
        **asdict(errors),
    )
    return table.changed(
        overhead_ms=call_ms,
        fixed=[_fitted(row, scale, call_ms) for row in table.fixed],
        rows=[_fitted(row, scale, call_ms) for row in table.rows],
        fit=fit,
    )


@dataclass(frozen=True)
class _Model:
    """The two coefficients; the call is at most what leaves the cheapest row at zero."""

    cheapest_ms: float
    coefficients: tuple[float, float] = (1.0, 0.0)

    def fit(self, networks: Sequence[NetworkTiming]) -> "_Model":
        measured = np.array([net.measured_ms for net in networks])
        features = np.array([[net.sum_ms, 1.0 - net.layers] for net in networks]) / measured[:, None]
        scale, call_ms = _least_squares(features)
        if call_ms > scale * self.cheapest_ms:
            (scale,) = _least_squares(features @ np.array([[1.0], [self.cheapest_ms]]))
            call_ms = scale * self.cheapest_ms
        return replace(self, coefficients=(scale, call_ms))

    def predict(self, network: NetworkTiming) -> float:
        scale, call_ms = self.coefficients
        return scale * network.sum_ms - call_ms * (network.layers - 1)


def _least_squares(features: np.ndarray) -> list[float]:
    """Coefficients for which the features, relative to the measurement, come nearest to 1."""
    model = LinearRegression(fit_intercept=False)
    coefficients: list[float] = model.fit(features, np.ones(len(features))).coef_.tolist()
    return coefficients


def _fitted(row: Row, scale: float, call_ms: float) -> Row:
    ms = max(0.0, scale * row.ms - call_ms)  # below zero by rounding only
    return row.model_copy(update={"ms": ms, "measured_ms": row.ms, "source": "calibrated"})
