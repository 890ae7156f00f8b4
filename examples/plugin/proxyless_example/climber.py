"""Hill climbing."""

from collections.abc import Sequence

import numpy as np

from proxyless.search.samplers import Path, Sampler, Trial
from proxyless.search.samplers.base import unseen
from proxyless_example.climbing import ClimbingSettings


class Climber(Sampler):
    """A neighbour of the best network so far; a random one where many of them were no better."""

    settings: ClimbingSettings

    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        best = max(trials, key=lambda trial: trial.score, default=None)
        if best is None or best not in trials[-self.settings.patience :]:
            return unseen(lambda: self.domain.random(rng), trials)
        return unseen(lambda: self.domain.mutate(best.path, rng), trials)
