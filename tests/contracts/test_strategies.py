"""Every strategy of ours, with every setting that makes another one of it; and what only some of them must do."""

from pathlib import Path

import pytest

from proxyless.data import Split
from proxyless.errors import InputError
from proxyless.search.config import OBJECTIVE_NAMES, SearchSettings
from proxyless.search.loop import Search
from proxyless.search.objectives import OBJECTIVES
from proxyless.search.problem import Problem
from proxyless.search.samplers import SAMPLERS
from proxyless.search.strategies import STRATEGIES
from proxyless.search.strategies.sampled import SampledStrategy
from proxyless.space import SKIP
from proxyless.testing.strategies import StrategyContract, search_toy
from tests.helpers import bound_at, toy_data, toy_space

_SPACE = toy_space()


class TestGradient(StrategyContract):
    strategy = "gradient"


class TestGradientAll(StrategyContract):
    strategy, settings = "gradient", {"gates": "all"}


class TestReinforce(StrategyContract):
    strategy = "reinforce"


class TestReinforceAccuracy(StrategyContract):
    strategy, settings = "reinforce", {"reward": "accuracy"}


class TestGumbel(StrategyContract):
    strategy = "gumbel"


class TestDarts(StrategyContract):
    strategy = "darts"


@pytest.mark.slow  # PyTorch differentiates convolutions twice for it, and slowly on a CPU
class TestDartsUnrolled(StrategyContract):
    strategy, settings = "darts", {"unrolled": True}


class TestRandom(StrategyContract):
    strategy = "random"


class TestEvolution(StrategyContract):
    strategy = "evolution"


class TestPredictor(StrategyContract):
    strategy = "predictor"


def test_every_strategy_has_its_tests() -> None:
    assert {contract.strategy for contract in StrategyContract.__subclasses__()} == set(STRATEGIES)


def test_settings_know_the_names_of_what_is_registered() -> None:
    assert tuple(STRATEGIES)[-len(SAMPLERS) :] == tuple(SAMPLERS)
    assert tuple(OBJECTIVES) == OBJECTIVE_NAMES


def test_too_few_held_out_images_are_noticed_before_anything_trains() -> None:
    settings = SearchSettings(batch_size=32, held_out=0.2, device="cpu")
    with pytest.raises(InputError, match="a batch of 32 images is larger than the 24 held-out images"):
        Search(Problem(_SPACE, toy_data(120, resolution=8), (bound_at(_SPACE, 1.0),)), settings)


def test_networks_are_evaluated_on_the_images_that_the_search_has_already() -> None:
    settings = SearchSettings(batch_size=8, device="cpu")
    search = Search(Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, 1.0),)), settings)
    held_out, evaluated = search.held_out.split, search.evaluator.held_out.split
    assert isinstance(held_out, Split) and isinstance(evaluated, Split)
    assert evaluated.images.data_ptr() == held_out.images.data_ptr()


@pytest.mark.parametrize("strategy", SAMPLERS)
def test_what_keeps_its_budget_is_worth_its_loss_alone(strategy: str, tmp_path: Path) -> None:
    search = search_toy(strategy, 0.15, tmp_path)
    assert search.objective.strengths == [0.0]
    assert isinstance(search.strategy, SampledStrategy)
    search.strategy.record((0, 6, 0), 1.25, 0.5)
    assert search.strategy.state_dict()["evaluations"][-1] == [[0, 6, 0], 1.25, 0.5, -1.25]


def test_layers_that_a_limit_on_memory_leaves_only_the_skip(tmp_path: Path) -> None:
    index = next(i for i, decision in enumerate(_SPACE.decisions) if SKIP in decision.choices)
    skip = _SPACE.decisions[index].choices.index(SKIP)
    space = _SPACE.keeping([[skip] if i == index else range(size) for i, size in enumerate(_SPACE.sizes)])
    settings = SearchSettings.make("test", warmup_epochs=0, epochs=1, batch_size=8, device="cpu")
    search = Search(Problem(space, toy_data(resolution=8), (bound_at(space, 0.8),)), settings)
    search.run(tmp_path / "checkpoint.pt")
    assert search.derive()[index] == 0
