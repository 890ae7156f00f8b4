"""What every sampler must do, on domains small enough to know the answer."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from proxyless.search.samplers import SAMPLERS, Path, Trial
from proxyless.search.samplers.surrogates import Additive

Score = Callable[[Path], float]


@dataclass
class Small:
    """All paths whose choices sum to at most `bound`."""

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


def _additive(seed: int) -> Score:
    gains = np.random.default_rng(seed).normal(size=(8, 4))
    return lambda path: float(sum(gains[layer, op] for layer, op in enumerate(path)))


def _search(name: str, domain: Small, score: Score, evaluations: int, seed: int = 0) -> list[Trial]:
    sampler, rng, trials = SAMPLERS[name](domain), np.random.default_rng(seed), list[Trial]()
    for _ in range(evaluations):
        path = sampler.propose(trials, rng)
        trials.append(Trial(path, score(path)))
    return trials


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_proposal_depends_on_the_trials_and_the_generator_alone(name: str) -> None:
    """So that a killed search goes on as it would have: another instance, from the same list."""
    domain, score = Small(), _additive(0)
    trials = _search(name, domain, score, 35)
    for count in (0, 7, 35):
        used = SAMPLERS[name](domain)
        used.propose(trials[: count // 2], np.random.default_rng(9))
        proposals = [
            sampler.propose(trials[:count], np.random.default_rng(5)) for sampler in (used, SAMPLERS[name](domain))
        ]
        assert proposals[0] == proposals[1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_fit_and_are_new(name: str) -> None:
    domain = Small()
    paths = [trial.path for trial in _search(name, domain, _additive(1), 40)]
    assert set(paths) <= set(domain.paths)
    assert len(set(paths)) == len(paths)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "regret"), [("evolution", 0.25), ("predictor", 0.05)])
def test_finds_what_brute_force_finds(name: str, regret: float) -> None:
    """Regret as a share of the range from the mean network to the best, over 4 problems of 60 evaluations."""
    domain, found = Small(), dict[str, list[float]]()
    for problem in range(4):
        score = _additive(problem)
        every = [score(path) for path in domain.paths]
        for sampler in ("random", name):
            best = max(trial.score for trial in _search(sampler, domain, score, 60, seed=problem))
            found.setdefault(sampler, []).append((max(every) - best) / (max(every) - float(np.mean(every))))
    assert np.mean(found[name]) <= regret < np.mean(found["random"])


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("score", [lambda path: 1.0, lambda path: float(path[0] > 1)], ids=["constant", "ties"])
def test_scores_that_tell_little_are_no_obstacle(name: str, score: Score) -> None:
    domain = Small()
    assert {trial.path for trial in _search(name, domain, score, 30)} <= set(domain.paths)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("bound", [0, 1])
def test_a_domain_with_fewer_networks_than_evaluations(name: str, bound: int) -> None:
    domain = Small(bound=bound)
    assert {trial.path for trial in _search(name, domain, _additive(0), 25)} == set(domain.paths)


def test_evolution_forgets_the_oldest_however_good() -> None:
    """With the one good network older than the population, its neighbours are proposed no more often than others."""
    domain = Small(bound=24)
    good, others = (3,) * 8, [(0,) * 7 + (op,) for op in (0, 1, 2, 3)] * 5
    trials = [Trial(good, 100.0)] + [Trial(path, 0.0) for path in others]
    for seed in range(20):
        proposal = SAMPLERS["evolution"](domain).propose(trials, np.random.default_rng(seed))
        assert sum(a != b for a, b in zip(proposal, good, strict=True)) > 2


def test_the_predictor_sees_operations_that_only_work_together() -> None:
    """Neither is good alone: no sum over layers can rank these networks."""
    domain = Small()

    def score(path: Path) -> float:
        return float((path[0] > 1) == (path[1] > 1)) + 0.1 * path[2]

    late = [trial.score for trial in _search("predictor", domain, score, 45)[30:]]
    assert max(late) == pytest.approx(1.3)
    assert np.mean(late) > 1.1


def test_what_an_additive_model_does_not_know_is_its_posterior_deviation() -> None:
    """Of Bayesian linear regression with an intercept, by its formula (Bishop, "Pattern Recognition and Machine
    Learning", 2006, equation 3.59, with centred features)."""
    rng = np.random.default_rng(0)
    sizes = (7,) * 6
    paths = np.column_stack([rng.integers(0, 5, (25, 5)), rng.integers(0, 7, 25)])
    model = Additive(sizes).fit(paths, rng.normal(size=25) + paths.sum(1))
    asked = rng.integers(0, 7, (40, 6))
    features, new = model._features(paths), model._features(asked)
    centred, wanted = features - features.mean(0), new - features.mean(0)
    precision = model._model.alpha_ * centred.T @ centred + model._model.lambda_ * np.eye(features.shape[1])
    expected = np.sqrt(np.einsum("ij,jk,ik->i", wanted, np.linalg.inv(precision), wanted))
    np.testing.assert_allclose(model.predict(asked)[1], expected, rtol=1e-4)
