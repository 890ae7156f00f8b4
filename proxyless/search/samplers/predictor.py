"""Predictor-based search: a model of the trials says which of many candidates is worth evaluating."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np

from proxyless.search.samplers.base import Path, Sampler, Trial, unseen
from proxyless.search.samplers.surrogates import Array, Ints, Surrogate, choose

START = 15
"""Random trials before the first model."""
CHOICE_EVERY = 10
"""Trials between two choices of the kind of model; the chosen one is fitted anew for every proposal."""
OPTIMISM = 0.5
"""Standard deviations of the model's ignorance that are added to a prediction: enough that an operation that was hardly
tried is, and so few that the evaluations do not all go into the unknown."""
_RANDOM, _GENERATIONS, _PARENTS, _CHILDREN = 200, 3, 10, 10


class Predictor(Sampler):
    """The candidate of greatest optimistic prediction that was not evaluated.

    Which kind of model, cross-validation on the trials says. The candidates are random networks, and an evolution under
    the model from the best trials, which costs no evaluation: of a large space hardly any random network is good.
    """

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        if len(trials) >= START:
            model = _fitted(tuple(self.domain.sizes), trials)
            values = self._candidates(trials, lambda paths: _optimistic(model, paths), rng)
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


def _fitted(sizes: tuple[int, ...], trials: Sequence[Trial]) -> Surrogate:
    model = _chosen(sizes, tuple(trials[: len(trials) // CHOICE_EVERY * CHOICE_EVERY]))(sizes)
    model.fit(*_arrays(trials))
    return model


@lru_cache(maxsize=8)
def _chosen(sizes: tuple[int, ...], trials: tuple[Trial, ...]) -> type[Surrogate]:
    """Remembered, because it costs more than all else: what it returns depends on its arguments alone."""
    return choose(sizes, *_arrays(trials))


def _arrays(trials: Sequence[Trial]) -> tuple[Ints, Array]:
    return np.array([trial.path for trial in trials]), np.array([trial.score for trial in trials])


def _optimistic(model: Surrogate, paths: Ints) -> Array:
    mean, ignorance = model.predict(paths)
    return mean + OPTIMISM * ignorance
