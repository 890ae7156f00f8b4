"""Models that predict the score of a network from its path, and the choice among them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import KFold

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDS = 5
_TREES = 50


class Surrogate(ABC):
    """A model of networks given as paths (networks, layers). sizes: number of choices per layer."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    @abstractmethod
    def fit(self, paths: Ints, scores: Array) -> None: ...

    @abstractmethod
    def predict(self, paths: Ints) -> tuple[Array, Array]:
        """Expected score, and the standard deviation of what the model does not know of it: not of the noise."""


class Additive(Surrogate):
    """A sum over layers: what the chosen operation adds, and a slope, because choices are often ordered by size.

    Ridge regression whose penalty is that of greatest evidence (MacKay, "Bayesian Interpolation", 1992). The shared
    slope lets operations that were never tried borrow from those that were.
    """

    def fit(self, paths: Ints, scores: Array) -> None:
        self._model = BayesianRidge().fit(self._features(paths), scores)

    def predict(self, paths: Ints) -> tuple[Array, Array]:
        mean, deviation = self._model.predict(self._features(paths), return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - 1 / self._model.alpha_, 0.0))

    def _features(self, paths: Ints) -> Array:
        return np.hstack([one_hot(paths, self.sizes), paths / np.maximum(np.asarray(self.sizes) - 1, 1)])


class Forest(Surrogate):
    """Extremely randomised trees (Geurts et al., 2006): they see operations that only work well together."""

    def fit(self, paths: Ints, scores: Array) -> None:
        self._model = ExtraTreesRegressor(_TREES, random_state=0).fit(one_hot(paths, self.sizes), scores)

    def predict(self, paths: Ints) -> tuple[Array, Array]:
        features = one_hot(paths, self.sizes).astype(np.float32)
        each = np.stack([tree.predict(features, check_input=False) for tree in self._model.estimators_])
        return each.mean(axis=0), each.std(axis=0)


SURROGATES: tuple[type[Surrogate], ...] = (Additive, Forest)
"""In the order in which ties are broken: the simplest first."""


def one_hot(paths: Ints, sizes: Sequence[int]) -> Array:
    """(networks, layers) to (networks, sum of sizes)."""
    return np.hstack([np.eye(size)[paths[:, layer]] for layer, size in enumerate(sizes)])


def choose(sizes: Sequence[int], paths: Ints, scores: Array) -> type[Surrogate]:
    """The kind of model that ranks held-out networks best, by cross-validation."""
    return max(SURROGATES, key=lambda kind: _held_out_rank(kind(sizes), paths, scores))


def _held_out_rank(model: Surrogate, paths: Ints, scores: Array) -> float:
    """Spearman's rank correlation over all folds; 0 where nothing can be ranked."""
    predicted = np.empty(len(scores))
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(paths):
        model.fit(paths[train], scores[train])
        predicted[test] = model.predict(paths[test])[0]
    if np.ptp(scores) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(spearmanr(predicted, scores).statistic)
