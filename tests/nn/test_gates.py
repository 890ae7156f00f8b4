"""The gradients of binary gates against finite differences and against the network that computes everything."""

import pytest
import torch
from torch import Tensor

from proxyless.nn import Choice, SuperNet
from proxyless.space import SKIP, Space, declared_space, tiny_fixed
from tests.helpers import all_weighted, one_hot, randomise, saved_by_a_step


def _supernet(space: Space, seed: int) -> SuperNet:
    torch.manual_seed(seed)
    net = SuperNet(space)
    randomise(net)
    return net.double().train()


def _all_ops(net: SuperNet, images: Tensor, gates: list[Tensor]) -> Tensor:
    """The reference: every operation in the graph, weighted by its gate."""
    loss: Tensor = all_weighted(net, images, gates).square().mean()
    return loss


def _mixed_space() -> Space:
    """Operations with a shortcut, without one, and the skip, in the same layers."""
    kinds = {"mbconv": {}, "conv": {"op": "conv"}, "pool": {"op": "pool_max"}, "fused": {"op": "fused_mbconv"}}
    return declared_space(
        {
            "name": "mixed",
            "resolution": 16,
            "stem": {"width": 8},
            "fixed": [{"width": 8}],
            "stages": [{"width": 8, "depth": 2, "ops": kinds}, {"width": 12, "depth": 2, "ops": _CHANGING}],
            "head": {"width": 16},
        }
    )


_CHANGING = {"mbconv": {"expand": 2}, "conv": {"op": "conv"}, "separable": {"op": "depthwise_separable"}}


def _case(
    seed: int, skip_active: bool = False, space: Space | None = None
) -> tuple[SuperNet, Tensor, list[Tensor], list[int]]:
    space = space or tiny_fixed(resolution=16)
    net = _supernet(space, seed)
    images = torch.randn(3, 3, 16, 16, dtype=torch.double)
    alphas = [torch.randn(len(layer.choices), dtype=torch.double, requires_grad=True) for layer in space.decisions]
    path = [int(torch.randint(len(layer.choices), ())) for layer in space.decisions]
    if skip_active:
        path = [
            layer.choices.index(SKIP) if SKIP in layer.choices else op
            for layer, op in zip(space.decisions, path, strict=True)
        ]
    return net, images, alphas, path


def _ours(net: SuperNet, images: Tensor, alphas: list[Tensor], path: list[int]) -> tuple[Tensor, ...]:
    choices = [Choice(a, tuple(range(len(alpha))), alpha.softmax(0)) for a, alpha in zip(path, alphas, strict=True)]
    return torch.autograd.grad(net(images, choices).square().mean(), alphas)


@pytest.mark.parametrize("space", [tiny_fixed(resolution=16), _mixed_space()], ids=["tiny-fixed", "mixed"])
@pytest.mark.parametrize("skip_active", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_the_all_ops_reference_and_sums_to_zero(seed: int, skip_active: bool, space: Space) -> None:
    net, images, alphas, path = _case(seed, skip_active, space)
    gates = [one_hot(a, len(alpha)).requires_grad_() for a, alpha in zip(path, alphas, strict=True)]
    gate_grads = torch.autograd.grad(_all_ops(net, images, gates), gates)
    for ours, grad, alpha in zip(_ours(net, images, alphas, path), gate_grads, alphas, strict=True):
        p = alpha.detach().softmax(0)
        expected = p * (grad - (p * grad).sum())  # dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i)
        assert float(expected.abs().max()) > 0
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
        assert abs(float(ours.sum())) < 1e-12


@pytest.mark.slow
def test_equals_finite_differences_of_the_gates() -> None:
    net, images, alphas, path = _case(0)
    ours = _ours(net, images, alphas, path)
    step = 1e-7  # small enough that next to no activation crosses a kink of ReLU6
    for layer in (0, 4, 8):
        numeric = []
        for j in range(len(alphas[layer])):
            values = []
            for sign in (1, -1):
                gates = [one_hot(a, len(alpha)) for a, alpha in zip(path, alphas, strict=True)]
                gates[layer][j] += sign * step
                with torch.no_grad():
                    values.append(float(_all_ops(net, images, gates)))
            numeric.append((values[0] - values[1]) / (2 * step))
        grad, p = torch.tensor(numeric, dtype=torch.double), alphas[layer].detach().softmax(0)
        torch.testing.assert_close(ours[layer], p * (grad - (p * grad).sum()), rtol=1e-4, atol=1e-8)


def test_two_paths_are_the_reference_renormalised_over_two() -> None:
    net, images, alphas, path = _case(3)
    pairs = [(a, (a + 1) % len(alpha)) for a, alpha in zip(path, alphas, strict=True)]
    choices = [Choice(pair[0], pair, alpha[list(pair)].softmax(0)) for pair, alpha in zip(pairs, alphas, strict=True)]
    ours = torch.autograd.grad(net(images, choices).square().mean(), alphas)
    gates = [one_hot(a, len(alpha)).requires_grad_() for a, alpha in zip(path, alphas, strict=True)]
    gate_grads = torch.autograd.grad(_all_ops(net, images, gates), gates)
    for grad, reference, alpha, pair in zip(ours, gate_grads, alphas, pairs, strict=True):
        chosen = list(pair)
        p, g = alpha.detach()[chosen].softmax(0), reference[chosen]
        torch.testing.assert_close(grad[chosen], p * (g - (p * g).sum()), rtol=1e-9, atol=1e-12)
        others = [j for j in range(len(alpha)) if j not in pair]
        assert not grad[others].any()


def test_probabilities_do_not_change_the_output() -> None:
    net, images, alphas, path = _case(0)
    choices = [Choice(a, tuple(range(len(alpha))), alpha.softmax(0)) for a, alpha in zip(path, alphas, strict=True)]
    with torch.no_grad():
        assert torch.equal(net(images, choices), net(images, [Choice(a) for a in path]))


@pytest.mark.parametrize("compared", ["two", "all"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_memory_of_the_architecture_step_is_that_of_one_path(seed: int, compared: str) -> None:
    net, images, alphas, path = _case(seed)

    one_path = saved_by_a_step(net, images, [Choice(a) for a in path])
    choices = []
    for active, alpha in zip(path, alphas, strict=True):
        rows = tuple(range(len(alpha))) if compared == "all" else (active, (active + 1) % len(alpha))
        choices.append(Choice(active, rows, alpha[list(rows)].softmax(0)))
    assert saved_by_a_step(net, images, choices) <= 1.1 * one_path
