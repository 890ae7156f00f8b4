"""Models that predict the score of a network from its path, and the choice among them."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import KFold

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDS = 5


class Surrogate(ABC):
    """A model of networks given as paths (networks, layers). sizes: number of choices per layer."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    @abstractmethod
    def fit(self, paths: Ints, scores: Array) -> Self:
        """Fit it, with what it has of hyperparameters."""

    @abstractmethod
    def refitted(self, paths: Ints, scores: Array) -> "Surrogate":
        """Another one of its kind, with the hyperparameters that this one found."""

    @abstractmethod
    def predict(self, paths: Ints) -> tuple[Array, Array]:
        """Expected score, and the standard deviation of what the model does not know of it: not of the noise."""


class Additive(Surrogate):
    """A sum over layers: what the chosen operation adds, and a slope, because choices are often ordered by size.

    Ridge regression whose penalty is that of greatest evidence (MacKay, "Bayesian Interpolation", 1992). Thanks to the
    slope, an operation that was never tried is expected to continue those that were.
    """

    def fit(self, paths: Ints, scores: Array) -> Self:
        self._model = BayesianRidge().fit(self._features(paths), scores)
        return self

    def refitted(self, paths: Ints, scores: Array) -> "Additive":
        return Additive(self.sizes).fit(paths, scores)

    def predict(self, paths: Ints) -> tuple[Array, Array]:
        mean, deviation = self._model.predict(self._features(paths), return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - 1 / self._model.alpha_, 0.0))

    def _features(self, paths: Ints) -> Array:
        return np.hstack([one_hot(paths, self.sizes), paths / np.maximum(np.asarray(self.sizes) - 1, 1)])


class Interacting(Surrogate):
    """A Gaussian process: a sum over layers, plus a function in which networks are alike that share most operations.

    The second part sees operations that only work together. Its kernel is `exp(-d / l^2)` of the number `d` of layers
    that differ; variances and length are those of greatest likelihood.
    """

    def fit(self, paths: Ints, scores: Array) -> Self:
        kernel = ConstantKernel(0.1) * DotProduct(0.0, "fixed") + ConstantKernel(0.5) * RBF(2.0, (0.5, 20.0))
        return self._fit(kernel + WhiteKernel(0.1, (1e-3, 2.0)), "fmin_l_bfgs_b", paths, scores)

    def refitted(self, paths: Ints, scores: Array) -> "Interacting":
        return Interacting(self.sizes)._fit(self._model.kernel_, None, paths, scores)

    def predict(self, paths: Ints) -> tuple[Array, Array]:
        mean, deviation = self._model.predict(one_hot(paths, self.sizes), return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - self._model.kernel_.k2.noise_level, 0.0))

    def _fit(self, kernel: Any, optimizer: str | None, paths: Ints, scores: Array) -> Self:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a variance at its bound: there is no such part
            model = GaussianProcessRegressor(kernel, optimizer=optimizer)
            self._model = model.fit(one_hot(paths, self.sizes), scores)
        return self


SURROGATES: tuple[type[Surrogate], ...] = (Additive, Interacting)
"""In the order in which ties are broken: the simplest first."""


def one_hot(paths: Ints, sizes: Sequence[int]) -> Array:
    """(networks, layers) to (networks, sum of sizes)."""
    return np.hstack([np.eye(size)[paths[:, layer]] for layer, size in enumerate(sizes)])


def choose(sizes: Sequence[int], paths: Ints, scores: Array) -> Surrogate:
    """The model that ranks held-out networks best, by cross-validation; fitted to all of them."""
    models = [kind(sizes).fit(paths, scores) for kind in SURROGATES]
    best: Surrogate = max(models, key=lambda model: _held_out_rank(model, paths, scores))
    return best


def _held_out_rank(model: Surrogate, paths: Ints, scores: Array) -> float:
    """Spearman's rank correlation over all folds; 0 where nothing can be ranked. The few hyperparameters are those of
    all networks: to find them anew in each fold would take most of the time of a search."""
    predicted = np.empty(len(scores))
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(paths):
        predicted[test] = model.refitted(paths[train], scores[train]).predict(paths[test])[0]
    if np.ptp(scores) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(spearmanr(predicted, scores).statistic)
