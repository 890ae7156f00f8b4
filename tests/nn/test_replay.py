"""Blocks replayed from graphs, with the memory of graphs on a CPU: a replay overwrites what the last one left."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from proxyless.execution import Choice, Execution
from proxyless.nn import build_network, replay_blocks
from proxyless.nn.blocks import Block
from proxyless.search.config import SearchSettings
from proxyless.space import tiny_fixed
from proxyless.workflow.search import search
from tests.helpers import MIXED_OPS, architecture, table_by_macs

_CAPTURED: list[nn.Module] = []


def _capture(module: nn.Module, sample: tuple[Tensor, ...]) -> None:
    """What torch.cuda.make_graphed_callables does, with one input."""
    plain, parameters, held = module.forward, tuple(module.parameters()), dict[str, Any]()
    for _ in range(3):  # warm-up, on what is no image
        plain(*sample)
    _CAPTURED.append(module)

    class Replay(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, *_: Tensor) -> Tensor:
            held["x"] = x.detach().clone().requires_grad_()
            with torch.enable_grad():
                held["y"] = plain(held["x"])
            return _into(held, "output", held["y"].detach())

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
            found = torch.autograd.grad(held["y"], [held["x"], *parameters], grads[0], retain_graph=True)
            return tuple(_into(held, f"gradient {number}", value) for number, value in enumerate(found))

    module.forward = lambda x: Replay.apply(x, *parameters)  # type: ignore[no-untyped-call]


def _into(held: dict[str, Any], name: str, value: Tensor) -> Tensor:
    """A view of memory that is always the same."""
    if name not in held:
        held[name] = torch.empty_like(value)
    memory: Tensor = held[name]
    memory.copy_(value)
    return memory.detach()


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyless.nn.replay._capture", _capture)
    _CAPTURED.clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "more"),
    [
        ("gradient", {}),
        ("gradient", {"gates": "all"}),
        ("reinforce", {}),
        ("random", {"evaluations": 2}),
    ],
)
def test_a_search_finds_the_same(strategy: str, more: dict[str, Any], tmp_path: Path) -> None:
    space = tiny_fixed(resolution=16)
    settings = SearchSettings.make("test", strategy=strategy, warmup_epochs=1, epochs=1, batch_size=8, **more)
    found = {}
    for replayed in (False, True):
        folder = tmp_path / str(replayed)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            choice = Choice(chosen=Execution(replayed=replayed))
            patch.setattr("proxyless.tuning.choose_execution", lambda *_, choice=choice: choice)
            search(space, "synthetic:120", table_by_macs(space), "60%", folder, settings)
        found[replayed] = (folder / "log.jsonl").read_text()
        assert bool(_CAPTURED) == replayed
    assert found[True] == found[False]


def test_statistics_are_those_of_the_images_and_a_block_in_use_is_not_overwritten() -> None:
    layers = architecture(MIXED_OPS, tiny_fixed(resolution=16)).layers
    networks = []
    for replayed in (False, True):
        torch.manual_seed(0)
        networks.append(build_network(layers))
        if replayed:
            replay_blocks(networks[1])
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        images = [torch.randn(4, 3, 16, 16, generator=generator) for _ in range(2)]
        for network in networks:
            network.zero_grad()
            first, second = network(images[0]), network(images[1])  # both before any backward pass
            torch.autograd.backward(first.square().sum() + second.sum())
        gradients = [[parameter.grad for parameter in network.parameters()] for network in networks]
        torch.testing.assert_close(gradients[1], gradients[0])
    buffers = [dict(network.named_buffers()) for network in networks]
    torch.testing.assert_close(buffers[1], buffers[0])
    blocks = sum(isinstance(part, Block) for part in networks[1].modules())
    assert len(_CAPTURED) == blocks - 1  # images have no gradient


def test_other_shapes_and_evaluations_are_computed_plainly() -> None:
    network = build_network(architecture(MIXED_OPS, tiny_fixed(resolution=16)).layers)
    replay_blocks(network)
    names = list(network.state_dict())
    loss = network(torch.randn(4, 3, 16, 16)).sum()
    torch.autograd.backward(loss)
    captured = len(_CAPTURED)
    assert captured and names == list(network.state_dict())
    torch.autograd.backward(network(torch.randn(3, 3, 16, 16)).sum())
    network.eval()
    images = torch.randn(2, 3, 16, 16)
    out = network(images)
    with torch.no_grad():
        torch.testing.assert_close(network(images), out)
    assert len(_CAPTURED) == captured
