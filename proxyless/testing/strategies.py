"""What every search strategy must do, on one small problem."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from proxyless.progress import Silent
from proxyless.search.architecture import ArchitectureLogits
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.strategies import LearningSettings, SamplingSettings, find_kind, find_strategy
from proxyless.space.bounds import params_bound
from proxyless.testing.problems import bound_at, elastic_space, toy_data, toy_space, with_one_choice

_SPACE = toy_space()


def search_toy(strategy: str, share: float, folder: Path, epochs: int = 2, **more: Any) -> Search:
    """A finished search within a bound at that share of the way from the fastest network to the slowest."""
    kind = find_kind(strategy).settings
    settings = SearchSettings.make(
        "test",
        **{
            "strategy": strategy,
            "warmup_epochs": 0,
            "epochs": epochs,
            "batch_size": 8,
            "device": "cpu",
            **({"evaluations": 25} if issubclass(kind, SamplingSettings) else {}),
            **({"arch_lr": 0.3} if issubclass(kind, LearningSettings) else {}),
            **more,
        },
    )
    count = 60 if find_strategy(strategy).mixes else 120  # these compute every operation, and slowly on a CPU
    search = Search(Problem(_SPACE, toy_data(count, resolution=8), (bound_at(_SPACE, share),)), settings)
    search.run(folder / "checkpoint.pt")
    return search


class StrategyContract:
    """strategy: its name. settings: such of its own as make another one of it."""

    strategy: str
    settings: Mapping[str, Any] = {}

    def search(self, share: float, folder: Path, epochs: int = 2, **more: Any) -> Search:
        return search_toy(self.strategy, share, folder, epochs, **self.settings, **more)

    def test_its_settings_have_names_of_their_own_and_help(self) -> None:
        own = find_kind(self.strategy).settings
        assert not set(own.model_fields) & set(SearchSettings.model_fields)
        assert all(own.describe(name) != "None" for name in own.model_fields)
        assert own() == own.model_validate({}) and find_strategy(self.strategy).learns == issubclass(
            own, LearningSettings
        )

    def test_a_tight_and_a_loose_budget_give_different_networks_that_fit(self, tmp_path: Path) -> None:
        costs = []
        for share in (0.1, 0.9):
            search = self.search(share, tmp_path)
            (bound,) = search.problem.bounds
            costs.append(bound.cost(search.derive()))
            assert costs[-1] <= bound.limit
        assert costs[0] < costs[1]

    def test_a_zero_and_a_large_penalty_give_different_networks(self, tmp_path: Path) -> None:
        costs = []
        for penalty in (0.0, 100.0):
            search = self.search(0.9, tmp_path, objective="add-linear", penalty=penalty)
            costs.append(search.problem.bounds[0].cost(search.derive()))
        assert costs[1] < 0.9 * costs[0]

    def test_an_architecture_step_moves_no_weight(self, tmp_path: Path) -> None:
        search = self.search(0.5, tmp_path, epochs=1)
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
        moved = not torch.equal(search.strategy.architecture.logits.detach(), logits)
        assert moved == search.strategy.learns

    def test_same_seed_same_result_though_saved_in_the_middle(self, tmp_path: Path) -> None:
        whole = self.search(0.5, tmp_path, epochs=2)
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

    def test_mixed_precision(self, tmp_path: Path) -> None:
        search = self.search(0.5, tmp_path, epochs=1, precision="bf16-mixed")
        assert search.strategy.architecture.logits.dtype == torch.float32
        assert search.history[0]["train_loss"] > 0

    def test_widths_depth_resolution_and_shared_operations(self, tmp_path: Path) -> None:
        """One decision in several slots, others without gates; what was stopped and resumed ends the same."""
        space = elastic_space()
        bounds = (bound_at(space, 0.4), params_bound(space, 9_000))
        samples = issubclass(find_kind(self.strategy).settings, SamplingSettings)
        short = {"warmup_epochs": 1, "epochs": 2, "batch_size": 8, "device": "cpu"}
        more = {**short, **({"evaluations": 5} if samples else {}), **self.settings}
        settings = SearchSettings.make("test", strategy=self.strategy, **more)
        data = toy_data(resolution=16, classes=3)
        whole, stopped, resumed = (Search(Problem(space, data, bounds), settings) for _ in range(3))
        whole.run(tmp_path / "whole.pt")
        path = whole.derive()
        assert all(bound.cost(path) <= bound.limit for bound in bounds)
        assert all(p.isfinite().all() for p in whole.supernet.parameters())
        if whole.strategy.learns:  # every decision has moved
            before = ArchitectureLogits(space, settings.seed).log_probs()
            assert all(row != old for row, old in zip(whole.log_probs(), before, strict=True))
        stopped.history.append(stopped._run_epoch(Silent()))
        stopped.epoch = 1
        stopped._save(tmp_path / "stopped.pt")
        resumed.resume(tmp_path / "stopped.pt")
        resumed.run(tmp_path / "stopped.pt")
        assert resumed.log_probs() == whole.log_probs() and resumed.history == whole.history

    def test_a_layer_with_one_operation_and_two_bounds(self, tmp_path: Path) -> None:
        space = with_one_choice(_SPACE)
        bounds = (bound_at(space, 0.6), params_bound(space, 5_000))
        short = {"warmup_epochs": 0, "epochs": 2, "batch_size": 8, "device": "cpu"}
        samples = issubclass(find_kind(self.strategy).settings, SamplingSettings)
        more = {**short, **({"evaluations": 5} if samples else {}), **self.settings}
        settings = SearchSettings.make("test", strategy=self.strategy, **more)
        search = Search(Problem(space, toy_data(resolution=8), bounds), settings)
        search.run(tmp_path / "checkpoint.pt")
        path = search.derive()
        assert path[0] == 0
        assert all(bound.cost(path) <= bound.limit for bound in bounds)
        assert [bound["name"] for bound in search.history[-1]["bounds"]] == ["latency", "parameters"]
