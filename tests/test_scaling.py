"""Loss scaling: nothing changes but the size of gradients on their way, and an overflow costs one step."""

import pytest
import torch
from torch import Tensor, nn

from proxyless.nn import Choice, Mixture, SuperNet
from proxyless.optim import SafeSteps, make_sgd
from proxyless.scaling import LossScale
from tests.helpers import randomise, toy_space

_CPU = torch.device("cpu")
_SPACE = toy_space()


def _gradients(scale: LossScale, mixture: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Of the gates or mixture weights, and of the network's weights."""
    torch.manual_seed(0)
    net, images = randomise(SuperNet(_SPACE)), torch.randn(4, 3, 8, 8)
    rows = [torch.full((len(layer.choices),), 1 / len(layer.choices), requires_grad=True) for layer in _SPACE.decisions]
    choices = [Mixture(row) if mixture else Choice(0, tuple(range(len(row))), row) for row in rows]
    loss = scale.outputs(net(images, scale.choices(choices))).square().mean()
    torch.autograd.backward(loss)
    scale.reduce(net.parameters())
    return [row.grad for row in rows if row.grad is not None], [p.grad for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("mixture", [False, True])
def test_gradients_that_leave_are_those_without_a_scale(mixture: bool) -> None:
    with_scale, without = (_gradients(LossScale(enabled, _CPU), mixture) for enabled in (True, False))
    for found, wanted in zip(with_scale, without, strict=True):
        assert found
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_gradient_too_small_for_float16_survives() -> None:
    x = torch.tensor(1e-9).requires_grad_()
    scale = LossScale(enabled=True, device=_CPU)
    for outputs, survives in ((lambda y: y, False), (scale.outputs, True)):
        (gradient,) = torch.autograd.grad(outputs(x.half().float()) * 1e-8, x)
        assert bool(gradient) == survives


def _step(weight: Tensor, steps: SafeSteps, scale: LossScale, gradient: float) -> bool:
    weight.grad = torch.full_like(weight, gradient) * scale.scale
    skip = scale.reduce([weight])
    assert skip is not None
    steps.step(torch.tensor(1.0), "loss", skip)
    return bool(skip)


def test_an_overflow_leaves_the_step_out_and_halves_the_scale_and_a_long_time_without_doubles_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxyless.scaling._GROW_AFTER", 3)
    layer, scale = nn.Linear(2, 1, bias=False), LossScale(enabled=True, device=_CPU)
    steps, before, first = SafeSteps(make_sgd(layer, 0.1, 0.9, 0.1)), layer.weight.detach().clone(), float(scale.scale)
    assert _step(layer.weight, steps, scale, float("inf"))
    assert torch.equal(layer.weight, before) and float(scale.scale) == first / 2
    assert not any(_step(layer.weight, steps, scale, 1.0) for _ in range(3))
    assert not torch.equal(layer.weight, before) and float(scale.scale) == first
    resumed = LossScale(enabled=True, device=_CPU)
    _step(layer.weight, steps, scale, 1.0)
    resumed.load_state_dict(scale.state_dict())
    assert resumed.state_dict() == scale.state_dict() == {"scale": first, "good": 1.0}


def test_at_the_lowest_scale_nothing_is_called_an_overflow() -> None:
    scale, weight = LossScale(enabled=True, device=_CPU), nn.Parameter(torch.ones(2))
    while scale.halve():
        pass
    assert float(scale.scale) == 1.0
    weight.grad = torch.tensor([1.0, torch.inf])
    assert not bool(scale.reduce([weight]))
    assert not LossScale(enabled=False, device=_CPU).halve()
