"""A candidate that borrows its weights is the largest one with everything else masked out."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from proxyless.nn import Choice, MixedLayer, SharedWeights
from proxyless.nn.blocks import Block
from proxyless.progress import Silent
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from tests.helpers import bound_at, kernel_and_expand, mbconv_layer, randomise, searched_layers, toy_data, toy_space

_OPS = ("k3e3", "k5e3", "k7e3", "k3e6", "k5e6", "k7e6")
_LARGEST = 5
_SPACE = toy_space()


def _layer(*ops: str) -> MixedLayer:
    torch.manual_seed(0)
    layer = mbconv_layer((6, 6, 8), (6, 6, 12), ops)
    randomise(layer)
    return layer.double()


def _masked(layer: MixedLayer, op: str, x: Tensor) -> Tensor:
    """The largest candidate, its kernel zero around the centre, and no channels beyond those of `op` that count."""
    block = layer.candidates[str(_LARGEST)]
    assert isinstance(block, Block)
    kernel, expand = kernel_and_expand(op)
    channels = 8 * expand
    rim = (7 - kernel) // 2
    centre = torch.zeros(7, 7, dtype=torch.double)
    centre[rim : rim + kernel, rim : rim + kernel] = 1
    counted = (torch.arange(48) < channels).double()
    weights = dict(block.named_parameters())
    masked = {
        **weights,
        "branch.depthwise.weight": weights["branch.depthwise.weight"] * centre,
        "branch.project.weight": weights["branch.project.weight"] * counted[:, None, None],
    }
    out: Tensor = torch.func.functional_call(block, masked, (x,))
    return out


@pytest.mark.parametrize("index", range(len(_OPS)))
def test_outputs_and_gradients_are_those_of_the_masked_largest(index: int) -> None:
    layer = _layer(*_OPS)
    shared, choice = SharedWeights([layer]), [Choice(index)]
    x = torch.randn(4, 8, 6, 6, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    largest = dict(layer.candidates[str(_LARGEST)].named_parameters())
    expected = _masked(layer, _OPS[index], x)
    torch.autograd.backward(expected.square().sum())
    gradients = {name: parameter.grad for name, parameter in largest.items()}
    layer.zero_grad(set_to_none=True)
    shared.lend(choice)
    found = layer(x, choice, [index])
    torch.testing.assert_close(found, expected)
    torch.autograd.backward(found.square().sum())
    shared.collect(choice)
    for name, parameter in largest.items():
        torch.testing.assert_close(parameter.grad, gradients[name])
    others = [p for key, block in layer.candidates.items() if key != str(_LARGEST) for p in block.parameters()]
    assert all(parameter.grad is None for parameter in others)


@pytest.mark.parametrize("ops", [("k7e3", "k3e6"), ("k3e1", "k5e6")])
def test_a_layer_without_a_largest_candidate_shares_nothing(ops: tuple[str, ...]) -> None:
    layer = _layer(*ops)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    shared = SharedWeights([layer])
    shared.lend_all()
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def _search(**more: object) -> Search:
    settings = SearchSettings.make(
        "test", **{"warmup_epochs": 2, "epochs": 2, "batch_size": 8, "device": "cpu", **more}
    )
    return Search(Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, 0.9),)), settings)


def _run_epochs(search: Search, count: int, checkpoint: Path) -> None:
    """As `Search.run` does, and no further."""
    for _ in range(count):
        search.history.append(search._run_epoch(Silent()))
        search.epoch += 1
        search._save(checkpoint)


def _are_parts_of_the_largest(search: Search) -> list[bool]:
    """Per layer, whether the centre of the largest kernel is the smallest kernel."""
    kernels = [
        [dict(block.named_parameters())["branch.depthwise.weight"] for block in layer.candidates.values()]
        for layer in searched_layers(search.supernet)
    ]
    return [torch.equal(layer[0], layer[_LARGEST][: len(layer[0]), :, 2:5, 2:5]) for layer in kernels]


@pytest.mark.parametrize("weights", ["shared", "own"])
def test_weights_are_shared_until_the_warm_up_is_over(weights: str, tmp_path: Path) -> None:
    search = _search(warmup_weights=weights)
    _run_epochs(search, 2, tmp_path / "checkpoint.pt")
    if weights == "shared":
        search.shared.lend_all()
    assert set(_are_parts_of_the_largest(search)) == {weights == "shared"}
    search.run(tmp_path / "checkpoint.pt")
    assert set(_are_parts_of_the_largest(search)) == {False}


@pytest.mark.parametrize("strategy", ["random", "evolution", "predictor"])
def test_networks_that_are_only_compared_share_weights_to_the_end(strategy: str, tmp_path: Path) -> None:
    search = _search(strategy=strategy, evaluations=3)
    search.run(tmp_path / "checkpoint.pt")
    assert set(_are_parts_of_the_largest(search)) == {True}
    own = _search(strategy=strategy, evaluations=3, warmup_weights="own")
    own.run(tmp_path / "own.pt")
    assert set(_are_parts_of_the_largest(own)) == {False}


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_search_that_stopped_in_or_after_the_warm_up_ends_the_same(epochs: int, tmp_path: Path) -> None:
    whole, stopped, resumed = _search(), _search(), _search()
    whole.run(tmp_path / "whole.pt")
    _run_epochs(stopped, epochs, tmp_path / "checkpoint.pt")
    resumed.resume(tmp_path / "checkpoint.pt")
    resumed.run(tmp_path / "checkpoint.pt")
    assert resumed.history == whole.history
    for one, other in zip(resumed.supernet.parameters(), whole.supernet.parameters(), strict=True):
        assert torch.equal(one, other)
