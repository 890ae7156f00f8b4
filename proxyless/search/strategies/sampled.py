"""Strategies that train weights on random paths, then evaluate proposed networks with them.

Guo et al., "Single path one-shot neural architecture search with uniform sampling", ECCV 2020.
"""

from collections.abc import Sequence
from dataclasses import astuple
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch.nn.functional import one_hot

from proxyless.host import to_host
from proxyless.nn import Choice, Mixture, plain_choices
from proxyless.search.samplers import Path, Sampler, Trial
from proxyless.search.strategies.base import Evaluation, Setting, Strategy
from proxyless.search.strategies.settings import SamplingSettings
from proxyless.seeds import stream_seed


class SampledStrategy(Strategy):
    """sampler_class: of what proposes networks within the bounds.

    A proposal follows from the trials so far and the seed alone: nothing else has to survive a restart.
    """

    settings: SamplingSettings
    sampler_class: type[Sampler]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.sampler = self.sampler_class(self.domain, self.settings)
        self._evaluations: list[Evaluation] = []

    def weight_networks(self, generator: torch.Generator, progress: float) -> Sequence[Sequence[Choice | Mixture]]:
        """The largest network, the smallest and two random ones (the sandwich rule, Yu and Huang, ICCV 2019), all but
        the first taught by it (Yu et al., "BigNAS", ECCV 2020); or a random one alone."""
        if not self.settings.sandwich:
            return super().weight_networks(generator, progress)
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        near = self.domain.random(rng)
        ends = (self.domain.largest, self.domain.smallest)
        return [*map(plain_choices, (*ends, near)), self.weight_choices(generator, progress)]

    def propose(self, seed: int) -> Path | None:
        done = len(self._evaluations)
        if done >= self.settings.evaluations:
            return None
        return self.sampler.propose(self._trials(), np.random.default_rng(stream_seed(seed, "proposals", done)))

    def record(self, path: Path, loss: float, accuracy: float) -> None:
        rows = torch.tensor(path)[:, None]
        ratios = self.expected(
            torch.zeros_like(self.architecture.logits).scatter_(1, rows, 1.0).to(self.expected.costs)
        )
        score = -float(to_host(self.objective.total(ratios.new_tensor(loss), ratios)))
        self._evaluations.append(Evaluation(path, loss, accuracy, score))

    @property
    def evaluations(self) -> Sequence[Evaluation]:
        return self._evaluations

    def _trials(self) -> list[Trial]:
        return [Trial(evaluation.path, evaluation.score) for evaluation in self._evaluations]

    def log_probs(self) -> list[list[float]]:
        """What an additive model of the trials says of every operation, as log-probabilities."""
        if not self._evaluations:
            return super().log_probs()
        return additive_log_probs(self._trials(), self.architecture.counts)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "evaluations": [[list(e.path), *astuple(e)[1:]] for e in self._evaluations]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._evaluations = [Evaluation(tuple(path), *rest) for path, *rest in state["evaluations"]]


@cache
def sampled_by(sampler: type[Sampler]) -> type[SampledStrategy]:
    """The strategy that evaluates what a sampler proposes."""
    return type(f"SampledBy{sampler.__name__}", (SampledStrategy,), {"sampler_class": sampler})


def additive_log_probs(trials: Sequence[Trial], counts: Sequence[int]) -> list[list[float]]:
    """Log-probabilities per layer and operation, whose sums rank networks as a ridge on one-hot layers ranks them."""
    paths = torch.tensor([trial.path for trial in trials])
    hot = torch.cat([one_hot(column, count) for column, count in zip(paths.T, counts, strict=True)], 1)
    scores = np.array([trial.score for trial in trials])
    spread = float(scores.std()) or 1.0
    model = Ridge(alpha=1.0).fit(to_host(hot).numpy(), (scores - scores.mean()) / spread)
    return [row.log_softmax(0).tolist() for row in torch.split(torch.from_numpy(model.coef_), list(counts))]
