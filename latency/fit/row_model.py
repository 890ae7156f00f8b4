"""What a layer costs that was not measured, and how sure that is, from the layers of a space that were."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from sklearn.model_selection import KFold

from latency.design import nearest
from latency.fit.features import work_matrix
from proxyless.space import LayerSpec

_LEAST_WORK = 1e-4
"""Keeps the logarithm of work that a layer has none of near that of the least layers."""
_CALL_MS, _LEAST_MS = 1e-3, 1e-6
_STEPS, _MOST_SEARCHED = 20, 250
"""Steps of the search for the length of every feature, and rows that it looks at: more change nothing."""
_LENGTHS = (0.1, 1e3)
_LEAST_NOISE = 0.01
"""No row is measured better than this; a process that believed more would explain noise."""
_FOLDS = 5
MIN_ROWS = 20
"""Fewer than these say little of others."""
_NEAR = 4
"""Measured rows around one that was not, whose errors tell of a cliff that lies between them."""


@dataclass(frozen=True)
class _Features:
    """Of layers, for a regression: their work, their sizes, and marks of what kind they are of.

    marks: names and values that some of the layers have and others have not.
    """

    marks: tuple[tuple[str, object], ...]

    @staticmethod
    def of(specs: Sequence[LayerSpec]) -> "_Features":
        seen = [_marks(spec) for spec in specs]
        marks = dict.fromkeys(mark for one in seen for mark in one)
        return _Features(tuple(mark for mark in marks if any(mark not in one for one in seen)))

    def matrix(self, specs: Sequence[LayerSpec]) -> np.ndarray:
        """(layers, features)"""
        work = np.log(work_matrix(specs) + _LEAST_WORK)
        sizes = np.log([[s.in_shape[0], s.in_shape[2], s.mid_channels, s.out_shape[2], s.kernel] for s in specs])
        marks = [[float(mark in _marks(spec)) for mark in self.marks] for spec in specs]
        return np.hstack([work, sizes, np.reshape(marks, (len(specs), -1))])


def _marks(spec: LayerSpec) -> tuple[tuple[str, object], ...]:
    same = ((name, getattr(spec, name)) for name in ("op", "kernel", "act", "residual"))
    return *same, ("strided", spec.stride > 1), ("se", spec.se > 0), ("groups", spec.groups > 1)


@dataclass(frozen=True)
class _Process:
    """Latency is a sum of the costs of a layer's work, times the exponential of a Gaussian process of what it is.

    unit_ms: what a unit of each cost takes. centre, scale: of the features. spread: the unit of the process, in
    logarithms of a ratio.
    """

    features: _Features
    unit_ms: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    spread: float
    regressor: GaussianProcessRegressor

    @staticmethod
    def fit(specs: Sequence[LayerSpec], ms: np.ndarray, features: _Features, start: Kernel | None = None) -> "_Process":
        """start: the kernel of a fit to nearly the same rows."""
        unit_ms, _ = nnls(_costs(specs) / ms[:, None], np.ones(len(ms)))
        inputs, ratio = features.matrix(specs), np.log(ms / _sum_ms(specs, unit_ms))
        centre, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-3)
        spread = max(float(np.sqrt(np.mean(ratio**2))), _LEAST_NOISE)
        inputs, ratio = (inputs - centre) / scale, ratio / spread
        noise = WhiteKernel(0.1, ((_LEAST_NOISE / spread) ** 2, 10.0))
        kernel = start or ConstantKernel() * Matern(np.full(inputs.shape[1], 3.0), _LENGTHS, nu=2.5) + noise
        some = np.random.default_rng(0).permutation(len(ms))[:_MOST_SEARCHED]
        regressor = GaussianProcessRegressor(kernel, optimizer=_maximise)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a hyper-parameter at its bound is a valid fit
            regressor.fit(inputs[some], ratio[some])
        if len(some) < len(ms):
            regressor = GaussianProcessRegressor(regressor.kernel_, optimizer=None).fit(inputs, ratio)
        return _Process(features, unit_ms, centre, scale, spread, regressor)

    def inputs(self, specs: Sequence[LayerSpec]) -> np.ndarray:
        return np.asarray((self.features.matrix(specs) - self.centre) / self.scale)

    def predict(self, specs: Sequence[LayerSpec]) -> tuple[np.ndarray, np.ndarray]:
        """Milliseconds of each layer, and the standard deviation of their logarithm."""
        value, deviation = self.regressor.predict(self.inputs(specs), return_std=True)
        return np.exp(self.spread * value) * _sum_ms(specs, self.unit_ms), self.spread * deviation


def _costs(specs: Sequence[LayerSpec]) -> np.ndarray:
    """What a layer's latency is nearly a sum of: its work, and a constant."""
    return np.hstack([work_matrix(specs), np.full((len(specs), 1), _CALL_MS)])


def _sum_ms(specs: Sequence[LayerSpec], unit_ms: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(_costs(specs) @ unit_ms, _LEAST_MS))


def _maximise(objective: Callable[..., Any], start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
    """The hyper-parameters near enough to the best, in the form that scikit-learn asks for."""
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
    return found.x, found.fun


@dataclass(frozen=True)
class RowModel:
    """A model of rows that knows where it errs.

    left_out: per measured row, the logarithm of its prediction from other rows over its measurement.
    """

    process: _Process
    specs: tuple[LayerSpec, ...]
    left_out: np.ndarray

    @staticmethod
    def fit(specs: Sequence[LayerSpec], ms: Sequence[float]) -> "RowModel":
        """With the errors of five fits, each without a fifth of the rows."""
        measured_ms, features = np.array(ms), _Features.of(specs)
        process = _Process.fit(specs, measured_ms, features)
        left_out = np.zeros(len(specs))
        for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(measured_ms):
            known, kernel = [specs[index] for index in train], process.regressor.kernel_
            predicted, _ = _Process.fit(known, measured_ms[train], features, kernel).predict([specs[i] for i in test])
            left_out[test] = np.log(predicted / measured_ms[test])
        return RowModel(process, tuple(specs), left_out)

    @property
    def rmse_pct(self) -> float:
        """RMS error of measured rows that are predicted from others, in per cent."""
        return float(100 * np.sqrt(np.mean(np.expm1(self.left_out) ** 2)))

    def predict(self, specs: Sequence[LayerSpec]) -> tuple[np.ndarray, np.ndarray]:
        """Milliseconds of each layer, and the relative standard deviation of that.

        The deviation is the process's own, and not less than the errors by which the measured rows most like the layer
        are predicted from others: where a latency jumps between two rows that were measured, both are predicted badly.
        """
        ms, deviation = self.process.predict(specs)
        around = self.left_out[nearest(specs, self.specs, _NEAR)]
        return ms, np.maximum(deviation, np.sqrt(np.mean(around**2, axis=1)))
