"""What every strategy must do, on one small problem."""

from pathlib import Path

import pytest
import torch

from proxyless.errors import InputError
from proxyless.search.config import SearchSettings
from proxyless.search.derive import derive_path
from proxyless.search.loop import Problem, Search
from proxyless.search.strategies import STRATEGIES
from proxyless.space import tiny
from tests.helpers import table_by_macs, toy_data

_SPACE = tiny(resolution=16, num_classes=2)


def _search(
    strategy: str, budget_share: float, folder: Path, gates: str = "two", epochs: int = 5, **more: object
) -> Search:
    costs = table_by_macs(_SPACE).costs(_SPACE)
    budget_ms = costs.min_ms + budget_share * (costs.max_ms - costs.min_ms)
    settings = SearchSettings.make(
        "test",
        strategy=strategy,
        gates=gates,
        warmup_epochs=0,
        epochs=epochs,
        batch_size=8,
        arch_lr=0.1,
        device="cpu",
        **more,
    )
    search = Search(Problem(_SPACE, toy_data(), costs, budget_ms), settings)
    search.run(folder / "checkpoint.pt")
    return search


@pytest.mark.parametrize("gates", ["two", "all"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_tight_and_a_loose_budget_give_different_networks_that_fit(strategy: str, gates: str, tmp_path: Path) -> None:
    expected, paths = [], []
    for share in (0.15, 0.9):
        search = _search(strategy, share, tmp_path, gates)
        problem = search.problem
        path = derive_path(search.log_probs(), problem.costs, problem.bound_ms)
        assert problem.costs.path_ms(path) <= problem.budget_ms
        expected.append(search.history[-1]["expected_ms"])
        paths.append(path)
    assert paths[0] != paths[1]
    assert expected[0] < expected[1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_architecture_step_moves_no_weight(strategy: str, tmp_path: Path) -> None:
    search = _search(strategy, 0.5, tmp_path, epochs=1)
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    logits = search.strategy.architecture.logits.detach().clone()
    generator = torch.Generator().manual_seed(0)
    search._architecture_step(next(search.held_out.ordered()), generator)
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in search.strategy.architecture.parameters())
    assert not torch.equal(search.strategy.architecture.logits.detach(), logits)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_same_seed_same_result(strategy: str, tmp_path: Path) -> None:
    first, second = (_search(strategy, 0.5, tmp_path, epochs=2) for _ in range(2))
    assert first.log_probs() == second.log_probs()
    for a, b in zip(first.supernet.parameters(), second.supernet.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_mixed_precision(strategy: str, tmp_path: Path) -> None:
    search = _search(strategy, 0.5, tmp_path, epochs=1, precision="bf16-mixed")
    assert search.strategy.architecture.logits.dtype == torch.float32
    assert search.history[0]["held_out_loss"] > 0


def test_too_few_held_out_images_are_noticed_before_anything_trains() -> None:
    costs = table_by_macs(_SPACE).costs(_SPACE)
    settings = SearchSettings(batch_size=32, held_out=0.2, device="cpu")
    with pytest.raises(InputError, match="a batch of 32 images is larger than the 24 held-out images"):
        Search(Problem(_SPACE, toy_data(120), costs, costs.max_ms), settings)
