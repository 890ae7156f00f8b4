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
    spearman, kendall = rank_correlations(predicted, measured)
    return Accuracy(
        rmse_pct=float(np.sqrt(np.mean(relative_pct**2))),
        bias_pct=float(relative_pct.mean()),
        within_5pct=float(100 * np.mean(np.abs(relative_pct) <= 5)),
        within_10pct=float(100 * np.mean(np.abs(relative_pct) <= 10)),
        spearman=spearman,
        kendall=kendall,
    )


def rank_correlations(a: np.ndarray, b: np.ndarray) -> tuple[float | None, float | None]:
    """Spearman's and Kendall's, of arrays of shape (networks,); None where one of them is constant."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None, None
    return float(spearmanr(a, b).statistic), float(kendalltau(a, b).statistic)
