"""Every strategy on a task whose best network is known.

The weights are planted and stay as they are: in every layer a kernel of 7 adds the signal of the class, more in
some layers than in others, and everything else adds nothing. The budget affords it in as many layers as are
strong. What a network is worth is the signal that it adds up, and the best one follows by counting.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.data import ImageData, Split, make_data
from proxyless.nn import MixedLayer, SuperNet
from proxyless.nn.blocks import Block
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.strategies.gradient import GradientStrategy
from proxyless.space.bounds import Bound
from tests.helpers import searched_layers, toy_space

_SPACE = toy_space([(8, 4, 1)])
_STRONG, _WEAK = 1.0, 0.2
_GAINS = (_WEAK, _STRONG, _WEAK, _STRONG)
"""Signal that a kernel of 7 adds, per layer."""

_SHARES: dict[str, tuple[dict[str, Any], float]] = {
    "gradient": ({}, 1.0),
    "gradient, all gates": ({"gates": "all"}, 1.0),
    "reinforce": ({}, 1.0),
    "gumbel": ({"epochs": 6, "arch_lr": 0.3}, 1.0),
    "darts": ({"epochs": 4, "arch_lr": 0.3}, 1.0),
    "darts, unrolled": ({"unrolled": True, "epochs": 2, "arch_lr": 0.5}, 1.0),
    "random": ({"epochs": 1}, 0.6),
    "evolution": ({"epochs": 1}, 0.6),
    "predictor": ({"epochs": 1, "evaluations": 50}, 1.0),
}
"""Settings, and the share of the best network's signal that is found with them."""

_GATES = ("gradient", "gradient, all gates")
"""Of these two, how far they decide is compared too."""

_SLOW = ("gumbel", "darts", "darts, unrolled")
"""These compute every operation in every step."""


def _bound() -> Bound:
    """A kernel of 7 costs 1, with expansion 6 it costs 2; all else is nearly free."""
    costs = {"k7e3": 1.0, "k7e6": 2.0}
    rows = [[costs.get(op, 0.01) for op in layer.choices] for layer in _SPACE.decisions]
    return Bound.of_rows("latency", "ms", 0.5, rows, 0.5 + _GAINS.count(_STRONG) + 0.1)


def _data(images: int = 320) -> ImageData:
    """The class is the sign of the red channel; the green one is noise, one value for each image."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        labels = torch.arange(count) % 2
        images = torch.full((count, 3, 8, 8), 128)
        images[:, 0] += (120 * labels - 60)[:, None, None]
        noise = (30 * torch.randn(count, generator=generator)).clamp(-120, 120).round().long()
        images[:, 1] += noise[:, None, None]
        return Split(images.to(torch.uint8), labels)

    return make_data("synthetic:planted", split(images), split(64), ["0", "1"], "none")


@torch.no_grad()
def _plant(net: SuperNet) -> None:
    """Channel 0 carries the class, channel 1 collects it; the head reads channel 1."""
    stem, first, *_, mix, classifier = [layer.candidates["0"] for layer in net.layers if isinstance(layer, MixedLayer)]
    assert isinstance(stem, Block) and isinstance(first, Block)
    stem_conv = stem.get_parameter("branch.conv.weight")
    stem_conv.zero_()
    stem_conv[0, 0, 1, 1] = stem_conv[1, 1, 1, 1] = 1
    stem.get_parameter("branch.conv_norm.bias").fill_(3)  # the middle of the rectifier's linear range
    first.get_parameter("branch.project_norm.weight").zero_()
    for layer, mixed, gain in zip(_SPACE.decisions, searched_layers(net), _GAINS, strict=True):
        for index, op in enumerate(layer.choices):
            if op != "skip":
                _plant_block(mixed.candidates[str(index)], gain if op.startswith("k7") else 0.0)
    mix_conv = mix.get_parameter("branch.conv.weight")
    mix_conv.zero_()
    mix_conv[0, 1] = 1
    mix.get_parameter("branch.conv_norm.bias").fill_(3)
    linear, bias = classifier.get_parameter("branch.linear.weight"), classifier.get_parameter("branch.linear.bias")
    linear.zero_()
    linear[0, 0], linear[1, 0] = -1, 1
    bias[0], bias[1] = 3, -3


@torch.no_grad()
def _plant_block(block: torch.nn.Module, gain: float) -> None:
    """`x[1] += gain * x[0]`, normalised."""
    for name, value in (("expand.weight", (0, 0)), ("project.weight", (1, 0))):
        weight = block.get_parameter(f"branch.{name}")
        weight.zero_()
        weight[value] = 1
    depthwise = block.get_parameter("branch.depthwise.weight")
    depthwise.zero_()
    depthwise[:, :, depthwise.shape[2] // 2, depthwise.shape[3] // 2] = 1
    for name in ("expand_norm", "depthwise_norm"):
        block.get_parameter(f"branch.{name}.bias").fill_(3)
    block.get_parameter("branch.project_norm.weight").fill_(gain)


def _signal(path: list[int]) -> float:
    return sum(gain for op, gain in zip(_SPACE.path_ops(path), _GAINS, strict=True) if op.startswith("k7"))


def _search(name: str, folder: Path) -> Search:
    settings = SearchSettings.make(
        "test",
        **{
            "strategy": name.split(",")[0],
            "warmup_epochs": 0,
            "epochs": 10,
            "batch_size": 16,
            "lr": 1e-9,  # what was planted stays
            "weight_decay": 0,
            "warmup_weights": "own",
            "held_out": 0.5,
            "device": "cpu",
            **_SHARES[name][0],
        },
    )
    search = Search(Problem(_SPACE, _data(160), (_bound(),)), settings)
    _plant(search.supernet)
    search.run(folder / "checkpoint.pt")
    return search


def test_the_planted_weights_do_what_they_should() -> None:
    settings = SearchSettings.make("test", batch_size=32, held_out=0.5, device="cpu")
    search = Search(Problem(_SPACE, _data(), (_bound(),)), settings)
    _plant(search.supernet)
    k3, k7 = 0, 2
    losses = [search.evaluator.evaluate([k7 if layer < count else k3 for layer in range(4)]).loss for count in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.8 and losses[4] < 0.2
    weak, strong = ([k7 if gain == kind else k3 for gain in _GAINS] for kind in (_WEAK, _STRONG))
    assert search.evaluator.evaluate(strong).loss < search.evaluator.evaluate(weak).loss - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in _SHARES if name not in (*_GATES, *_SLOW)])
def test_the_known_optimum_is_found(name: str, tmp_path: Path) -> None:
    _assert_found(_search(name, tmp_path), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", _SLOW)
def test_the_known_optimum_is_found_slowly(name: str, tmp_path: Path) -> None:
    _assert_found(_search(name, tmp_path), name)


@pytest.fixture(scope="module")
def by_gates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Search]:
    return {name: _search(name, tmp_path_factory.mktemp("gates")) for name in _GATES}


@pytest.mark.slow
@pytest.mark.parametrize("name", _GATES)
def test_the_known_optimum_is_found_by_gates(name: str, by_gates: dict[str, Search]) -> None:
    _assert_found(by_gates[name], name)


@pytest.mark.slow
def test_two_gates_decide_about_as_much_as_all(by_gates: dict[str, Search]) -> None:
    two, every = (search.history[-1]["entropy"] for search in by_gates.values())
    assert two == pytest.approx(every, abs=0.2)


def _assert_found(search: Search, name: str) -> None:
    path = search.derive()
    assert search.problem.bounds[0].cost(path) <= search.problem.bounds[0].limit
    best = _STRONG * _GAINS.count(_STRONG)
    assert _signal(path) >= _SHARES[name][1] * best - 1e-9


@pytest.mark.parametrize("gates", ["two", "all"])
def test_a_logit_that_is_always_pushed_moves_by_15_at_the_default_learning_rate(gates: str) -> None:
    """Also where only two of seven operations are compared in a step."""
    settings = SearchSettings.make("test", gates=gates, epochs=400, batch_size=32, held_out=0.5, device="cpu")
    search = Search(Problem(_SPACE, _data(), (_bound(),)), settings)
    strategy, generator, way = search.strategy, torch.Generator().manual_seed(0), 0.0
    assert isinstance(strategy, GradientStrategy)
    logits = strategy.architecture.logits
    for _ in range(search.schedule.epochs * search.train.steps):
        with torch.no_grad():
            logits.zero_()  # all operations stay equally likely to be compared
        push = torch.zeros_like(logits)
        strategy._draw(generator)
        push[0, 0] = -1.0
        with torch.no_grad():
            strategy.steps.step(logits, push, strategy._mask())
        way += float(logits.detach()[0, 0])
    assert way == pytest.approx(15, rel=0.1)
