"""Ageing evolution (Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019)."""

from collections.abc import Sequence

import numpy as np

from proxyless.search.samplers.base import Path, Sampler, Trial, unseen

POPULATION = 20
"""Networks alive: the paper's 100 for 20,000 evaluations, scaled to searches of about a hundred."""
TOURNAMENT = 10
"""Networks of which the best becomes a parent; a large share, because a short search has to climb quickly."""


class Evolution(Sampler):
    """The best of a random few of the population has a child, and the oldest dies, however good it was.

    So the population is nothing but the last `POPULATION` trials, and a network that was lucky in one noisy evaluation
    does not stay for ever. The first `POPULATION` trials are random.
    """

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        if len(trials) < POPULATION:
            return unseen(lambda: self.domain.random(rng), trials)
        return unseen(lambda: self.domain.mutate(_parent(trials[-POPULATION:], rng), rng), trials)


def _parent(population: Sequence[Trial], rng: np.random.Generator) -> Path:
    contestants = [population[index] for index in rng.choice(len(population), TOURNAMENT, replace=False)]
    parent: Trial = max(contestants, key=lambda trial: trial.score)
    return parent.path
