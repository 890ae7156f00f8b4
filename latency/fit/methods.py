"""Ways to a new device's latencies from those of known devices and a few measured networks.

Each is linear in the known devices' columns and in physical features, so that each gives a table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from sklearn.linear_model import RidgeCV

from latency.fit.grouped import Array, Groups, LinearModel, fit_grouped

_SOURCE_PRIOR, _REST_PRIOR = -8.0, -9.0
"""Log prior variances of one known device, and of every physical group and the deviations."""
_DAMPING = 1e-3
_SHRINKAGE = 0.1
"""Expected noise of a measurement, relative to the spread of the networks' latencies."""
_PHYSICAL_SCALE = 0.3
"""Scale of physical features beside principal components of unit variance: less, since they say less."""


@dataclass(frozen=True)
class Known:
    """What is known before measuring.

    sources: (columns, devices) milliseconds in units of the spread over the reference networks.
    components: (columns, k) principal components of the sources, and the physical features.
    groups: physical features by group. reference: (networks, columns), not measured.
    spread: standard deviation over mean of the reference networks' latencies, that of a typical device.
    """

    sources: Array
    components: Array
    groups: Groups
    reference: Array
    spread: float

    @staticmethod
    def of(source_ms: Array, mean_ms: Array, groups: Groups, reference: Array, physical: str = "total") -> "Known":
        """From milliseconds (columns, devices), and the mean latency of networks (devices,).

        physical: the group that goes with the principal components.
        """
        centred = reference - reference.mean(axis=0)
        deviation_ms = (centred @ source_ms).std(axis=0)
        varies = deviation_ms > 0
        sources = source_ms[:, varies] / deviation_ms[varies]
        _, singular, right = np.linalg.svd(centred @ sources, full_matrices=False)
        size = (centred @ groups[physical]).std(axis=0)
        features = _PHYSICAL_SCALE * groups[physical][:, size > 1e-9] / size[size > 1e-9]
        kept = right[singular > 1e-6 * singular[0]]
        spread = float(np.median((deviation_ms / mean_ms)[varies]))
        return Known(sources, np.hstack([sources @ kept.T, features]), groups, reference, spread)

    @property
    def consensus(self) -> Array:
        """Equal weights of the sources, (devices,), for which their mix has the typical spread."""
        centred = self.reference - self.reference.mean(axis=0)
        devices = self.sources.shape[1]
        return np.full(devices, self.spread / devices / (centred @ self.sources.mean(axis=1)).std())


Method = Callable[[Array, Array, Known], LinearModel]
"""From counts (networks, columns), milliseconds (networks,) and what is known."""


def single(counts: Array, latency_ms: Array, known: Known) -> LinearModel:
    """The known device of least leave-one-out error, with an affine map of positive slope."""
    inputs = counts @ known.sources
    centred, target = inputs - inputs.mean(axis=0), latency_ms - latency_ms.mean()
    power = np.maximum((centred**2).sum(axis=0), 1e-12)
    slope = np.maximum(centred.T @ target / power, 0)
    leverage = 1 / len(target) + centred**2 / power * (slope > 0)
    left_out = (target[:, None] - centred * slope) / (1 - leverage) / latency_ms[:, None]
    best = int((left_out**2).mean(axis=0).argmin())
    return balanced(counts, latency_ms, slope[best] * known.sources[:, best])


def mix(counts: Array, latency_ms: Array, known: Known) -> LinearModel:
    """A non-negative combination of the known devices."""
    inputs, target = counts @ known.sources, latency_ms - latency_ms.mean()
    damping = np.sqrt(_DAMPING * len(latency_ms)) * np.eye(inputs.shape[1])
    unit_ms = max(float(target.std()), 1e-12)
    stacked = np.vstack([inputs - inputs.mean(axis=0), damping])
    weights, _ = nnls(stacked, np.append(target / unit_ms, np.zeros(len(damping))))
    return balanced(counts, latency_ms, known.sources @ weights * unit_ms)


def shrunken_mix(counts: Array, latency_ms: Array, known: Known) -> LinearModel:
    """A non-negative combination, shrunk towards the consensus of the known devices: noise cannot turn it around."""
    mean_ms, inputs = float(latency_ms.mean()), counts @ known.sources
    pull = _SHRINKAGE / known.spread
    stacked = np.vstack([inputs - inputs.mean(axis=0), pull * np.eye(inputs.shape[1])])
    weights, _ = nnls(stacked, np.append(latency_ms / mean_ms - 1, pull * known.consensus))
    return balanced(counts, latency_ms, known.sources @ weights * mean_ms)


def components(counts: Array, latency_ms: Array, known: Known) -> LinearModel:
    """Ridge on principal components of the known devices and physical features, penalty by leave-one-out."""
    inputs = counts @ known.components
    unit = max(float(np.linalg.norm(inputs - inputs.mean(axis=0), 2)) ** 2, 1e-9)
    ridge = RidgeCV(alphas=np.logspace(-5, 2, 29) * unit).fit(inputs, latency_ms)
    return balanced(counts, latency_ms, known.components @ ridge.coef_)


def grouped(counts: Array, latency_ms: Array, known: Known, start: Array | None = None) -> LinearModel:
    """The grouped model with every known device as a group of its own, beside the physical groups, and the consensus
    as what is expected before measuring."""
    groups = {f"source {i}": column[:, None] for i, column in enumerate(known.sources.T)}
    priors = dict.fromkeys(groups, _SOURCE_PRIOR) | dict.fromkeys([*known.groups, "deviation"], _REST_PRIOR)
    return fit_grouped(
        counts,
        {**groups, **known.groups},
        latency_ms,
        reference=known.reference,
        priors=priors,
        start=start,
        expected_ms=known.sources @ known.consensus * latency_ms.mean(),
    )


def balanced(counts: Array, latency_ms: Array, column_ms: Array) -> LinearModel:
    """The model with these columns whose mean error on the networks is zero."""
    return LinearModel(float(latency_ms.mean() - (counts @ column_ms).mean()), column_ms)


SIMPLE: Mapping[str, Method] = {"single": single, "mix": mix, "components": components}
