"""Predictor-based search: a model of the trials says which of many candidates is worth evaluating."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from scipy.stats import norm, rankdata

from proxyless.search.samplers.base import Path, Sampler, Trial, unseen
from proxyless.search.samplers.surrogates import Array, Ints, Surrogate, choose

START = 15
"""Random trials before the first model."""
_RANDOM, _GENERATIONS, _PARENTS, _CHILDREN = 200, 3, 10, 10


class Predictor(Sampler):
    """The candidate that can be expected to improve most on the best trial (Jones et al., "Efficient Global
    Optimization", 1998): likely good, or so little known that it may be, with no share of exploration to set.

    Which kind of model, cross-validation on the trials says; it is fitted anew for every proposal. The candidates are
    random networks, and an evolution under the model from the best trials, which costs no evaluation: of a large space
    hardly any random network is good.
    """

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        if len(trials) >= START:
            model, goals = _fitted(tuple(self.domain.sizes), trials)
            values = self._candidates(trials, lambda paths: _improvement(*model.predict(paths), goals.max()), rng)
            new = values.keys() - {trial.path for trial in trials}
            if new:
                return max((path for path in values if path in new), key=values.__getitem__)
        return unseen(lambda: self.domain.random(rng), trials)

    def _candidates(
        self, trials: Sequence[Trial], value: Callable[[Ints], Array], rng: np.random.Generator
    ) -> dict[Path, float]:
        """Candidates and their values, in the order in which they were found: the same seed, the same search."""
        values: dict[Path, float] = {}

        def add(paths: Iterable[Path]) -> None:
            found = [path for path in dict.fromkeys(paths) if path not in values]
            if found:
                values.update(zip(found, value(np.array(found)).tolist(), strict=True))

        best = sorted(trials, key=lambda trial: -trial.score)[:_PARENTS]
        add([trial.path for trial in best] + [self.domain.random(rng) for _ in range(_RANDOM)])
        for _ in range(_GENERATIONS):
            parents = sorted(values, key=lambda path: -values[path])[:_PARENTS]
            add(self.domain.mutate(path, rng) for path in parents for _ in range(_CHILDREN))
        return values


def _fitted(sizes: tuple[int, ...], trials: Sequence[Trial]) -> tuple[Surrogate, Array]:
    """The model, and the scores that it was fitted to. Its kind and hyperparameters are chosen anew whenever the trials
    have doubled."""
    doublings = int(np.log2(len(trials) / START))
    paths, goals = _arrays(trials)
    return _chosen(sizes, tuple(trials[: START * 2**doublings])).refitted(paths, goals), goals


@lru_cache(maxsize=8)
def _chosen(sizes: tuple[int, ...], trials: tuple[Trial, ...]) -> Surrogate:
    """Remembered, because it costs more than all else: what it returns depends on its arguments alone."""
    return choose(sizes, *_arrays(trials))


def _arrays(trials: Sequence[Trial]) -> tuple[Ints, Array]:
    """Paths, and scores as normal quantiles of their ranks: a few networks that fail altogether would else be all that
    a model explains, and accuracies crowd together towards the best."""
    ranks = rankdata([trial.score for trial in trials])
    return np.array([trial.path for trial in trials]), np.asarray(norm.ppf((ranks - 0.5) / len(trials)))


def _improvement(mean: Array, ignorance: Array, best: float) -> Array:
    """Expected improvement on `best` of normally distributed scores."""
    deviation = np.maximum(ignorance, 1e-9)
    margin = (mean - best) / deviation
    return np.asarray(deviation * (margin * norm.cdf(margin) + norm.pdf(margin)))
