"""Random search: the baseline that every other sampler has to beat."""

from collections.abc import Sequence

import numpy as np

from proxyless.search.samplers.base import Path, Sampler, Trial, unseen


class Random(Sampler):
    """A random network of the domain, whatever was evaluated before."""

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        return unseen(lambda: self.domain.random(rng), trials)
