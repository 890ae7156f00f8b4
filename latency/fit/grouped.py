"""A linear latency model from few whole-network measurements: Bayesian regression with grouped shrinkage.

    latency = constant + sum over columns of count * value
    value = sum over groups of features_g @ w_g + deviation

A column is an operation of a layer: the result is a latency table. In units of the mean latency,
w_g ~ N(0, s_g), deviation ~ N(0, s_dev) and the noise is relative to the latency and Student-t distributed. The
variances are those of largest marginal likelihood given the measurements, under one weak log-normal prior
(empirical Bayes: MacKay 1992; automatic relevance determination by group).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]
Groups = Mapping[str, Array]
"""Features of the columns by name of the group, each of shape (columns, features)."""

_GROUP_PRIOR = -3.0
"""Log of a group's prior variance relative to the mean latency squared: a standard deviation of 22 %."""
_NOISE_PRIOR = -7.0
"""The same of the noise: 3 %."""
_PRIOR_WIDTH = 3.0
_DEGREES = 4.0
"""Degrees of freedom of the noise."""
_REWEIGHTINGS = 4
_FREE = 10.0
"""Prior variance of the constant: as good as none."""
_LEVELS = (0.2, 5.0)
"""Bounds of a network's latency relative to the mean, where noise is made relative to it."""


@dataclass(frozen=True)
class LinearModel:
    """`constant_ms + counts @ column_ms` is a network's latency.

    log_variances: where a grouped fit like this one may start.
    """

    constant_ms: float
    column_ms: Array
    log_variances: Array = field(default_factory=lambda: np.zeros(0))

    def predict(self, counts: Array) -> Array:
        """Milliseconds of networks given as (networks, columns)."""
        return np.asarray(self.constant_ms + counts @ self.column_ms)


def fit_grouped(
    counts: Array,
    groups: Groups,
    latency_ms: Array,
    *,
    reference: Array | None = None,
    priors: Mapping[str, float] | None = None,
    start: Array | None = None,
    expected_ms: Array | None = None,
) -> LinearModel:
    """Fit networks, (networks, columns) counts with (networks,) milliseconds.

    reference: (any, columns) networks that need not be measured; they set the groups' units. Default: `counts`.
    priors: log variances by group, where the default does not suit; that of the deviations is `deviation`.
    start: log variances to start from. expected_ms: (columns,) values to shrink towards, instead of zero.
    """
    reference = counts if reference is None else reference
    unit_ms, centre = float(np.mean(latency_ms)), reference.mean(axis=0)
    maps = _scaled(groups, reference - centre)
    inputs = [(counts - centre) @ features for features in maps]
    kernels = np.stack([z @ z.T for z in inputs])
    prior = np.array([(priors or {}).get(name, _GROUP_PRIOR) for name in (*groups, "deviation")] + [_NOISE_PRIOR])
    expected_ms = np.zeros(counts.shape[1]) if expected_ms is None else expected_ms
    base = (counts - centre) @ expected_ms / unit_ms
    theta, alpha = _reweighted(kernels, latency_ms / unit_ms, base, prior, prior if start is None else start)
    columns = sum(np.exp(s) * (features @ (z.T @ alpha)) for s, features, z in zip(theta, maps, inputs, strict=False))
    column_ms = unit_ms * np.asarray(columns) + expected_ms
    return LinearModel(unit_ms * _FREE * float(alpha.sum()) - float(centre @ column_ms), column_ms, theta)


def _scaled(groups: Groups, centred: Array) -> list[Array]:
    """Features in units in which a group's share of the reference networks' variance is one; the deviations last."""
    maps = []
    for features in groups.values():
        spread = (centred @ features).var(axis=0)
        keep = spread > 1e-12 * max(1e-12, float(spread.max(initial=0.0)))
        maps.append(features[:, keep] / np.sqrt(spread[keep] * max(1, int(keep.sum()))))
    return [*maps, np.eye(centred.shape[1]) / np.sqrt(centred.var(axis=0).sum())]


def _reweighted(kernels: Array, relative: Array, base: Array, prior: Array, start: Array) -> tuple[Array, Array]:
    """Log variances, and the weights (networks,) of the posterior mean, under Student-t noise by reweighting.

    relative: latency in units of the mean. base: what was expected of it.
    """
    target = relative - base
    theta, level, weight = start, np.ones(len(target)), np.ones(len(target))
    for _ in range(_REWEIGHTINGS):
        variance = level**2 / weight
        theta = _most_probable(kernels, target, variance, theta, prior)
        noise = np.exp(theta[-1]) * variance
        inverse = np.linalg.inv(np.tensordot(np.exp(theta[:-1]), kernels, axes=1) + _FREE + np.diag(noise))
        alpha = inverse @ target
        fitted = target - noise * alpha
        unsure = np.maximum(noise - noise**2 * np.diag(inverse), 0)
        level = np.clip(fitted + base, *_LEVELS)
        weight = (_DEGREES + 1) / (_DEGREES + ((target - fitted) ** 2 + unsure) / (np.exp(theta[-1]) * level**2))
    return theta, np.asarray(alpha)


def _most_probable(kernels: Array, target: Array, variance: Array, start: Array, prior: Array) -> Array:
    """Log variances of largest posterior probability, by L-BFGS with the closed-form gradient."""

    def objective(theta: Array) -> tuple[float, Array]:
        scale = np.exp(theta)
        matrix = np.tensordot(scale[:-1], kernels, axes=1) + _FREE + np.diag(scale[-1] * variance)
        factor = cho_factor(matrix, lower=True, check_finite=False)
        inverse = cho_solve(factor, np.eye(len(target)), check_finite=False)
        alpha = inverse @ target
        outer = inverse - np.outer(alpha, alpha)
        gradient = np.append(np.einsum("gij,ij->g", kernels, outer), variance @ np.diag(outer)) * scale / 2
        pull = (theta - prior) / _PRIOR_WIDTH
        value = target @ alpha / 2 + np.log(np.diag(factor[0])).sum() + pull @ pull / 2
        return float(value), gradient + pull / _PRIOR_WIDTH

    bounds = [(-16.0, 4.0)] * len(start)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x, dtype=np.float64)
