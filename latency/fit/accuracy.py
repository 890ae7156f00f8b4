"""How well predicted latencies agree with measured ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, spearmanr


@dataclass(frozen=True)
class Accuracy:
    """Percentages are relative to the measurement; the rank correlations are None where one side is constant."""

    rmse_pct: float
    bias_pct: float
    within_5pct: float
    within_10pct: float
    spearman: float | None
    kendall: float | None


def accuracy(predicted_ms: Sequence[float] | np.ndarray, measured_ms: Sequence[float] | np.ndarray) -> Accuracy:
    """Compare predictions with measurements, arrays of shape (networks,) in milliseconds."""
    predicted, measured = np.asarray(predicted_ms, float), np.asarray(measured_ms, float)
    relative_pct = 100 * (predicted - measured) / measured
    ranked = len(measured) > 1 and np.ptp(predicted) > 0 and np.ptp(measured) > 0
    return Accuracy(
        rmse_pct=float(np.sqrt(np.mean(relative_pct**2))),
        bias_pct=float(relative_pct.mean()),
        within_5pct=float(100 * np.mean(np.abs(relative_pct) <= 5)),
        within_10pct=float(100 * np.mean(np.abs(relative_pct) <= 10)),
        spearman=float(spearmanr(predicted, measured).statistic) if ranked else None,
        kendall=float(kendalltau(predicted, measured).statistic) if ranked else None,
    )
