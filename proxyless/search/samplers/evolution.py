"""Ageing evolution (Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019)."""

from collections.abc import Sequence

import numpy as np

from proxyless.search.samplers.base import Path, Sampler, Trial, unseen

START, POPULATION, TOURNAMENT = 10, 50, 20
"""Random networks to begin with, networks alive, and those of which the best becomes a parent.

The paper has 100, 100 and 25 for 20,000 evaluations. In searches of about a hundred, good networks of a small
population die before they have had many children, and random ones take the place of children: of published tables, on
ten devices, a population of 20 that begins with 20 missed the best by 0.62 points after 100 evaluations, one of 50 by
0.52 with 15 that compete and 0.50 with 25 (random search 0.87). Crossover changed nothing there.
"""


class Evolution(Sampler):
    """The best of a random few of the population has a child, and the oldest dies, however good it was.

    So the population is nothing but the last `POPULATION` trials, and a network that was lucky in one noisy evaluation
    does not stay for ever.
    """

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        if len(trials) < START:
            return unseen(lambda: self.domain.random(rng), trials)
        return unseen(lambda: self.domain.mutate(_parent(trials[-POPULATION:], rng), rng), trials)


def _parent(population: Sequence[Trial], rng: np.random.Generator) -> Path:
    count = min(TOURNAMENT, len(population))
    contestants = [population[index] for index in rng.choice(len(population), count, replace=False)]
    parent: Trial = max(contestants, key=lambda trial: trial.score)
    return parent.path
