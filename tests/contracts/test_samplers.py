"""Every sampler of ours; and what only some of them must do."""

import numpy as np
import pytest

from proxyless.search.samplers import SAMPLERS, Path, Trial
from proxyless.search.samplers.evolution import Evolution
from proxyless.search.samplers.predictor import Predictor
from proxyless.search.samplers.surrogates import Additive
from proxyless.search.samplers.uniform import Random
from proxyless.testing.samplers import SamplerContract, Small, additive, search


class TestRandom(SamplerContract):
    sampler = Random


class TestEvolution(SamplerContract):
    sampler = Evolution


class TestPredictor(SamplerContract):
    sampler = Predictor


def test_every_sampler_has_its_tests() -> None:
    assert {contract.sampler for contract in SamplerContract.__subclasses__()} == set(SAMPLERS.values())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "regret"), [("evolution", 0.25), ("predictor", 0.05)])
def test_finds_what_brute_force_finds(name: str, regret: float) -> None:
    """Regret as a share of the range from the mean network to the best, over 4 problems of 60 evaluations."""
    domain, found = Small(), dict[str, list[float]]()
    for problem in range(4):
        score = additive(problem)
        every = [score(path) for path in domain.paths]
        for sampler in ("random", name):
            best = max(trial.score for trial in search(SAMPLERS[sampler](domain), score, 60, seed=problem))
            found.setdefault(sampler, []).append((max(every) - best) / (max(every) - float(np.mean(every))))
    assert np.mean(found[name]) <= regret < np.mean(found["random"])


def test_evolution_forgets_the_oldest_however_good() -> None:
    """With the one good network older than the population, its neighbours are proposed no more often than others."""
    domain = Small(bound=24)
    good, others = (3,) * 8, [(0,) * 7 + (op,) for op in (0, 1, 2, 3)] * 13
    trials = [Trial(good, 100.0)] + [Trial(path, 0.0) for path in others]
    for seed in range(20):
        proposal = SAMPLERS["evolution"](domain).propose(trials, np.random.default_rng(seed))
        assert sum(a != b for a, b in zip(proposal, good, strict=True)) > 2


def test_the_predictor_sees_operations_that_only_work_together() -> None:
    """Neither is good alone: no sum over layers can rank these networks."""
    domain = Small()

    def score(path: Path) -> float:
        return float((path[0] > 1) == (path[1] > 1)) + 0.1 * path[2]

    late = [trial.score for trial in search(SAMPLERS["predictor"](domain), score, 45)[30:]]
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
