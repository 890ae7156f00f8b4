"""What every strategy must do, on one small problem."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.data import Split
from proxyless.errors import InputError
from proxyless.progress import Silent
from proxyless.search.config import OBJECTIVE_NAMES, SearchSettings
from proxyless.search.loop import Search
from proxyless.search.objectives import OBJECTIVES
from proxyless.search.problem import Problem
from proxyless.search.samplers import SAMPLERS
from proxyless.search.strategies import STRATEGIES
from proxyless.search.strategies.sampled import SampledStrategy
from proxyless.space import SKIP
from proxyless.space.bounds import params_bound
from tests.helpers import bound_at, toy_data, toy_space
from tests.search.strategy_cases import every_strategy

_SPACE = toy_space()


def _search(strategy: str, share: float, folder: Path, epochs: int = 2, **more: Any) -> Search:
    settings = SearchSettings.make(
        "test",
        **{
            "strategy": strategy,
            "warmup_epochs": 0,
            "epochs": epochs,
            "batch_size": 8,
            "device": "cpu",
            **({"evaluations": 25} if strategy in SAMPLERS else {"arch_lr": 0.3}),
            **more,
        },
    )
    count = 60 if strategy in ("darts", "gumbel") else 120  # these compute every operation, and slowly on a CPU
    search = Search(Problem(_SPACE, toy_data(count, resolution=8), (bound_at(_SPACE, share),)), settings)
    search.run(folder / "checkpoint.pt")
    return search


@every_strategy
def test_a_tight_and_a_loose_budget_give_different_networks_that_fit(
    strategy: str, more: dict[str, Any], tmp_path: Path
) -> None:
    costs = []
    for share in (0.1, 0.9):
        search = _search(strategy, share, tmp_path, **more)
        (bound,) = search.problem.bounds
        costs.append(bound.cost(search.derive()))
        assert costs[-1] <= bound.limit
    assert costs[0] < costs[1]


@every_strategy
def test_a_zero_and_a_large_penalty_give_different_networks(
    strategy: str, more: dict[str, Any], tmp_path: Path
) -> None:
    costs = []
    for penalty in (0.0, 100.0):
        search = _search(strategy, 0.9, tmp_path, objective="add-linear", penalty=penalty, **more)
        costs.append(search.problem.bounds[0].cost(search.derive()))
    assert costs[1] < 0.9 * costs[0]


@every_strategy
def test_an_architecture_step_moves_no_weight(strategy: str, more: dict[str, Any], tmp_path: Path) -> None:
    search = _search(strategy, 0.5, tmp_path, epochs=1, **more)
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    logits = search.strategy.architecture.logits.detach().clone()
    images, labels = next(search.held_out.ordered())
    if search.strategy.learns:
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):  # few networks differ in how many of eight images they get right
            batch = torch.randn_like(images), labels
            search._architecture_step(batch, batch, 0, generator)
    else:
        search.strategy.record(search.strategy.propose(0) or (0,), 1.0, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in search.strategy.architecture.parameters())
    assert search.strategy.learns == (strategy not in SAMPLERS)
    assert torch.equal(search.strategy.architecture.logits.detach(), logits) == (strategy in SAMPLERS)


@every_strategy
def test_same_seed_same_result_though_saved_in_the_middle(strategy: str, more: dict[str, Any], tmp_path: Path) -> None:
    whole = _search(strategy, 0.5, tmp_path, epochs=2, **more)
    stopped = Search(whole.problem, whole.settings)
    stopped.history.append(stopped._run_epoch(Silent()))
    stopped.epoch = 1
    stopped._save(tmp_path / "stopped.pt")
    resumed = Search(whole.problem, whole.settings)
    resumed.resume(tmp_path / "stopped.pt")
    resumed.run(tmp_path / "checkpoint.pt")
    assert resumed.log_probs() == whole.log_probs()
    assert resumed.strategy.trials == whole.strategy.trials
    assert resumed.history == whole.history
    for a, b in zip(resumed.supernet.parameters(), whole.supernet.parameters(), strict=True):
        assert torch.equal(a, b)


@every_strategy
def test_mixed_precision(strategy: str, more: dict[str, Any], tmp_path: Path) -> None:
    search = _search(strategy, 0.5, tmp_path, epochs=1, precision="bf16-mixed", **more)
    assert search.strategy.architecture.logits.dtype == torch.float32
    assert search.history[0]["train_loss"] > 0


@every_strategy
def test_a_layer_with_one_operation_and_two_bounds(strategy: str, more: dict[str, Any], tmp_path: Path) -> None:

    first, *others = _SPACE.layers
    space = replace(_SPACE, layers=(first.keeping(first.ops[2:3]), *others))
    bounds = (bound_at(space, 0.6), params_bound(space, 5_000))
    settings = SearchSettings.make(
        "test",
        strategy=strategy,
        warmup_epochs=0,
        epochs=2,
        batch_size=8,
        evaluations=5 if strategy in SAMPLERS else None,
        device="cpu",
        **more,
    )
    search = Search(Problem(space, toy_data(resolution=8), bounds), settings)
    search.run(tmp_path / "checkpoint.pt")
    path = search.derive()
    assert path[0] == 0
    assert all(bound.cost(path) <= bound.limit for bound in bounds)
    assert [bound["name"] for bound in search.history[-1]["bounds"]] == ["latency", "parameters"]


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
    search = _search(strategy, 0.15, tmp_path)
    assert search.objective.strengths == [0.0]
    assert isinstance(search.strategy, SampledStrategy)
    search.strategy.record((0, 6, 0), 1.25, 0.5)
    assert search.strategy.state_dict()["evaluations"][-1] == [[0, 6, 0], 1.25, 0.5, -1.25]


def test_layers_that_a_limit_on_memory_leaves_only_the_skip(tmp_path: Path) -> None:
    index = next(i for i, layer in enumerate(_SPACE.layers) if SKIP in layer.ops)
    layers = tuple(layer.keeping([SKIP]) if i == index else layer for i, layer in enumerate(_SPACE.layers))
    space = replace(_SPACE, layers=layers)
    settings = SearchSettings.make("test", warmup_epochs=0, epochs=1, batch_size=8, device="cpu")
    search = Search(Problem(space, toy_data(resolution=8), (bound_at(space, 0.8),)), settings)
    search.run(tmp_path / "checkpoint.pt")
    assert search.derive()[index] == 0
