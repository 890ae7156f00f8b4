"""The host does not wait for the device inside a weight step, and once in an architecture step.

On the `meta` device there are no values: whatever asks for one (`item`, `float`, `bool`, `tolist`, `cpu`, `nonzero`)
fails. What may be waited for is answered here, and counted.
"""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.strategies import find_strategy
from tests.helpers import bound_at, toy_data, toy_space
from tests.search.strategy_cases import STRATEGY_CASES, every_strategy

_SPACE = toy_space()


class _NoOptimizer:
    """PyTorch's fused step has no version without values."""

    def __init__(self) -> None:
        self.param_groups: list[dict[str, float]] = []
        self.taken = 0

    def zero_grad(self, set_to_none: bool) -> None:
        assert set_to_none

    def step(self) -> None:
        self.taken += 1


@pytest.fixture(autouse=True)
def _autocast_of_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast does not know the device `meta`: it is off there."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: torch.bfloat16)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def _search_on_meta(strategy: str, **more: Any) -> Search:
    settings = SearchSettings.make("test", strategy=strategy, warmup_epochs=0, batch_size=8, device="cpu", **more)
    search = Search(Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, 0.5),)), settings)
    search.supernet.to("meta")
    search.strategy.expected.to("meta")
    search.sgd = search.steps.optimizer = _NoOptimizer()  # type: ignore[assignment]
    return search


def _batch() -> tuple[Tensor, Tensor]:
    return torch.empty(8, 3, 8, 8, device="meta"), torch.empty(8, dtype=torch.long, device="meta")


@every_strategy
def test_a_weight_step_does_not_wait(strategy: str, more: dict[str, Any]) -> None:
    search, generator = _search_on_meta(strategy, **more), torch.Generator().manual_seed(0)
    for step in range(2):
        result = search._weight_step(_batch(), step, generator)
    assert result.loss.device.type == "meta" and search.sgd.taken == 2  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "more"), [case for case in STRATEGY_CASES if find_strategy(case[0]).learns])
def test_an_architecture_step_waits_for_its_gradient_only(
    strategy: str, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, generator = _search_on_meta(strategy, **more), torch.Generator().manual_seed(0)
    waits: list[torch.Size] = []

    def values(tensor: Tensor) -> Tensor:
        if tensor.device.type == "cpu":
            return tensor
        waits.append(tensor.shape)
        return torch.ones(tensor.shape)

    monkeypatch.setattr(Tensor, "cpu", values)
    for step in range(2):
        search._architecture_step(_batch(), _batch(), step, generator)
    assert waits == [search.strategy.architecture.logits.shape] * 2


@pytest.mark.parametrize("wait", [Tensor.item, Tensor.tolist, Tensor.cpu, float, bool])
def test_the_device_without_values_notices_every_way_to_ask_for_one(wait: Any) -> None:
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        wait(torch.empty((), device="meta"))
