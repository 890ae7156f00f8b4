"""Every loss against its formula by finite differences, and what the constraint does."""

import math
from collections.abc import Callable

import pytest
import torch

from proxyless.errors import InputError
from proxyless.search.objectives import OBJECTIVES, Objective
from proxyless.search.objectives.constrained import MAX_MULTIPLIER, Constrained
from proxyless.search.objectives.fixed import AddLinear, MulLog, MulRatio
from proxyless.space.bounds import Bound


def _bound(limit: float = 40.0, constant: float = 5.0) -> Bound:
    return Bound.of_rows("latency", "ms", constant, ((1.0, 30.0), (2.0, 20.0)), limit)


_BOUNDS = (_bound(40.0), _bound(25.0))
_LOSS, _COSTS = 1.7, (52.0, 31.0)

_FORMULAS: dict[type[Objective], Callable[[float, tuple[float, float]], float]] = {
    AddLinear: lambda loss, e: loss + 0.1 * (e[0] / 40 - 1) + 0.1 * (e[1] / 25 - 1),
    MulRatio: lambda loss, e: loss * (e[0] / 40) ** 0.07 * (e[1] / 25) ** 0.07,
    MulLog: lambda loss, e: loss * (math.log(e[0]) / math.log(40)) ** 0.3 * (math.log(e[1]) / math.log(25)) ** 0.3,
}


@pytest.mark.parametrize("kind", OBJECTIVES.values())
def test_gradients_equal_finite_differences(kind: type[Objective]) -> None:
    objective = kind(_BOUNDS)
    for _ in range(3):
        objective.update([1.3, 1.24], 0.1)
    values = torch.tensor([_LOSS, *(e / b.limit for e, b in zip(_COSTS, _BOUNDS, strict=True))], dtype=torch.double)
    values.requires_grad_()
    gradient = torch.autograd.grad(objective.total(values[0], values[1:]), values)[0]
    assert (gradient > 0).all()
    if isinstance(objective, Constrained):  # its multiplier acts as a constant: the slope at a frozen multiplier
        acting = [
            m + objective.damping * (r - 1) for m, r in zip(objective.strengths, values[1:].tolist(), strict=True)
        ]
        torch.testing.assert_close(gradient, torch.tensor([1.0, *acting], dtype=torch.double))
        return
    for index in range(3):
        sides = []
        for step in (1e-6, -1e-6):
            moved = values.detach().clone()
            moved[index] += step
            sides.append(float(objective.total(moved[0], moved[1:])))
        assert float(gradient[index]) == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("kind", _FORMULAS)
def test_the_published_formulas(kind: type[Objective]) -> None:
    ratios = torch.tensor([e / b.limit for e, b in zip(_COSTS, _BOUNDS, strict=True)])
    total = float(kind(_BOUNDS).total(torch.tensor(_LOSS), ratios))
    assert total == pytest.approx(_FORMULAS[kind](_LOSS, _COSTS), rel=1e-6)


@pytest.mark.parametrize("kind", OBJECTIVES.values())
def test_at_the_limit_nothing_is_added(kind: type[Objective]) -> None:
    assert float(kind(_BOUNDS).total(torch.tensor(_LOSS), torch.ones(2))) == pytest.approx(_LOSS)


def test_the_logarithm_of_at_most_one_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"logarithm of the latency, .* more than 1 ms everywhere, got 0.8; choose mul-ratio"
    ):
        MulLog((Bound.of_rows("latency", "ms", 0.1, ((0.7, 3.0),), 2.0),))


@pytest.mark.parametrize("kind", _FORMULAS)
def test_a_negative_penalty_is_refused(kind: type[Objective]) -> None:
    with pytest.raises(InputError, match="the penalty must be at least 0, got -1"):
        kind(_BOUNDS, -1.0)


def test_the_constraint_takes_no_penalty() -> None:
    with pytest.raises(InputError, match="finds its multipliers itself"):
        Constrained(_BOUNDS, 1.0)


def test_each_multiplier_rises_while_its_bound_is_exceeded_and_falls_to_zero_again() -> None:
    objective = Constrained(_BOUNDS)
    objective.update([1.5, 0.9], 0.1)
    risen = objective.strengths[0]
    objective.update([1.2, 0.9], 0.1)
    assert 0 < risen < objective.strengths[0] and objective.strengths[1] == 0
    for _ in range(100):
        objective.update([0.5, 0.9], 0.1)
    assert objective.strengths == [0.0, 0.0]
    for _ in range(100):
        objective.update([1000.0, 0.9], 0.1)
    assert objective.strengths == [MAX_MULTIPLIER, 0.0]


@pytest.mark.parametrize("steps", [400, 4000])
@pytest.mark.parametrize("limit", [0.2, 0.3, 0.45])
def test_the_expectation_comes_to_the_limit_and_stays_there(limit: float, steps: int) -> None:
    """Layers whose operations cost 0 to 6 and lower the loss by the root of that, seen through noise, as a batch shows
    it: the logits then move much more slowly than their learning rate, and a multiplier that does not wait for them
    grows far too large."""
    layers, costs = 20, torch.arange(7.0)
    gains = torch.linspace(0.004, 0.012, layers)[:, None] * costs.sqrt()
    bound = Bound.of_rows("latency", "ms", 0.0, [costs.tolist()] * layers, limit * layers * 6)
    objective, logits, arch_lr = Constrained((bound,)), torch.zeros(layers, 7, requires_grad=True), 15.0 / steps
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam([logits], lr=arch_lr, betas=(0.0, 0.999))
    ratios = []
    for _ in range(steps):
        probs = logits.softmax(1)
        ratio = (probs * costs).sum() / bound.limit
        ratios.append(float(ratio.detach()))
        objective.update([ratios[-1]], arch_lr)
        seen = gains + 0.2 * torch.randn(layers, 7, generator=generator)
        (logits.grad,) = torch.autograd.grad(objective.total(-(probs * seen).sum(), ratio[None]), logits)
        adam.step()
    assert all(0.95 < value < 1.05 for value in ratios[steps // 2 :])


def test_a_constraint_that_holds_does_not_push() -> None:
    ratios = torch.tensor([0.8, 1.2], requires_grad=True)
    gradient = torch.autograd.grad(Constrained(_BOUNDS).total(torch.tensor(1.0), ratios), ratios)[0]
    assert float(gradient[0]) == 0 and float(gradient[1]) > 0
