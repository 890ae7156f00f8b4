"""Compiled blocks: the same numbers and names, and nothing compiled again for a new path.

The back end `aot_eager` runs everything of a compilation but the code generation.
"""

import random
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from proxyless.execution import Execution
from proxyless.nn import Choice, MixedLayer, SuperNet, compile_blocks, plain_choices
from proxyless.space import Space, mobile_fixed, tiny_fixed
from tests.helpers import input_shape, searched_layers, toy_space

_BACKEND = "aot_eager"


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    config = torch._dynamo.config
    kept = config.recompile_limit, config.accumulated_recompile_limit
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()
    config.recompile_limit, config.accumulated_recompile_limit = kept


def _step(net: SuperNet, images: Tensor, path: list[int], compare: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """Output and gradients of one step; `compare` candidates per layer get the gradient of their gate."""
    choices: list[Choice] = plain_choices(path)
    if compare:
        rows = [sorted({op, 0, compare - 1}) for op in path]
        probs = [torch.full((len(row),), 1 / len(row), requires_grad=True) for row in rows]
        choices = [Choice(op, tuple(row), p) for op, row, p in zip(path, rows, probs, strict=True)]
    net.zero_grad(set_to_none=True)
    out = net(images, choices)
    out.square().mean().backward()
    return out.detach(), {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def _paths(space: Space, count: int) -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randrange(len(layer.choices)) for layer in space.decisions] for _ in range(count)]


def _random_input(layer: MixedLayer) -> Tensor:
    return torch.randn(4, *input_shape(layer)).contiguous(memory_format=torch.channels_last)


def _compiled_graphs() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


@pytest.mark.slow
def test_after_every_candidate_has_run_new_paths_compile_nothing_and_give_what_eager_gives() -> None:
    space = toy_space()
    torch.manual_seed(0)
    net, plain = (Execution().prepare(SuperNet(space)) for _ in range(2))
    images = torch.randn(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    plain.load_state_dict(net.state_dict())
    compile_blocks(net, _BACKEND)
    widest = max(len(layer.choices) for layer in space.decisions)
    for op in range(widest):
        path = [min(op, len(layer.choices) - 1) for layer in space.decisions]
        _step(net, images, path)
        with torch.no_grad():  # as the backward pass of an architecture step runs the candidates
            for layer in searched_layers(net):
                if layer.block(path):
                    layer.branch(path, _random_input(layer))
    before = _compiled_graphs()
    assert before > widest
    for number, path in enumerate(_paths(space, 6)):
        compare = 6 if number % 2 else 0
        (out, gradients), (expected, wanted) = (_step(n, images, path, compare) for n in (net, plain))
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        assert gradients.keys() == wanted.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5)
    assert _compiled_graphs() == before


def test_weights_keep_their_names() -> None:
    net = SuperNet(tiny_fixed(resolution=16))
    names = list(net.state_dict())
    compile_blocks(net, _BACKEND)
    assert list(net.state_dict()) == names


@pytest.mark.slow
def test_the_largest_space_is_compiled_whole() -> None:
    space = mobile_fixed(resolution=32, num_classes=10)
    net, images = SuperNet(space), torch.randn(2, 3, 32, 32)
    compile_blocks(net, "eager")
    with patch.object(torch._dynamo.config, "fail_on_recompile_limit_hit", True):
        for op in range(max(len(layer.choices) for layer in space.decisions)):
            _step(net, images, [min(op, len(layer.choices) - 1) for layer in space.decisions])
        before = _compiled_graphs()
        assert before > 8  # the compiler's own limit for one piece of code
        for path in _paths(space, 5):
            _step(net, images, path)
    assert _compiled_graphs() == before
