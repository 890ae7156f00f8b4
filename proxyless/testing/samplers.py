"""What every sampler must do, on domains small enough to know the answer."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from proxyless.search.samplers import Path, Sampler, Trial
from proxyless.search.strategies import SamplingSettings

Score = Callable[[Path], float]


@dataclass
class Small:
    """A domain: all paths whose choices sum to at most `bound`."""

    sizes: tuple[int, ...] = (4,) * 8
    bound: int = 14
    paths: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        every = itertools.product(*(range(size) for size in self.sizes))
        self.paths = [path for path in every if sum(path) <= self.bound]

    def random(self, rng: np.random.Generator) -> Path:
        return self.paths[rng.integers(len(self.paths))]

    def mutate(self, path: Path, rng: np.random.Generator) -> Path:
        for _ in range(20):
            changed = list(path)
            for layer in rng.choice(len(path), 2, replace=False):
                changed[layer] = int(rng.integers(self.sizes[layer]))
            if sum(changed) <= self.bound and tuple(changed) != path:
                return tuple(changed)
        return path


def additive(seed: int) -> Score:
    """A score with a random gain for every choice."""
    gains = np.random.default_rng(seed).normal(size=(8, 4))
    return lambda path: float(sum(gains[layer, op] for layer, op in enumerate(path)))


def search(sampler: Sampler, score: Score, evaluations: int, seed: int = 0) -> list[Trial]:
    """The trials of a whole search."""
    rng, trials = np.random.default_rng(seed), list[Trial]()
    for _ in range(evaluations):
        path = sampler.propose(trials, rng)
        trials.append(Trial(path, score(path)))
    return trials


class SamplerContract:
    """sampler: what is tested, with `settings`."""

    sampler: type[Sampler]
    settings: SamplingSettings = SamplingSettings()

    def make(self, domain: Small) -> Sampler:
        return self.sampler(domain, self.settings)

    def test_a_proposal_depends_on_the_trials_and_the_generator_alone(self) -> None:
        """So that a killed search goes on as it would have: another instance, from the same list."""
        domain = Small()
        trials = search(self.make(domain), additive(0), 35)
        for count in (0, 7, 35):
            used = self.make(domain)
            used.propose(trials[: count // 2], np.random.default_rng(9))
            samplers = (used, self.make(domain))
            proposals = [sampler.propose(trials[:count], np.random.default_rng(5)) for sampler in samplers]
            assert proposals[0] == proposals[1]

    def test_proposals_fit_and_are_new(self) -> None:
        domain = Small()
        paths = [trial.path for trial in search(self.make(domain), additive(1), 40)]
        assert set(paths) <= set(domain.paths)
        assert len(set(paths)) == len(paths)

    @pytest.mark.parametrize("score", [lambda path: 1.0, lambda path: float(path[0] > 1)], ids=["constant", "ties"])
    def test_scores_that_tell_little_are_no_obstacle(self, score: Score) -> None:
        domain = Small()
        assert {trial.path for trial in search(self.make(domain), score, 30)} <= set(domain.paths)

    @pytest.mark.parametrize("bound", [0, 1])
    def test_a_domain_with_fewer_networks_than_evaluations(self, bound: int) -> None:
        domain = Small(bound=bound)
        assert {trial.path for trial in search(self.make(domain), additive(0), 25)} == set(domain.paths)
