"""Networks whose weights are parts of the largest one: widths, depths and resolutions of a supernet."""

import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from proxyless.nn import Choice, MixedLayer, SuperNet, plain_choices
from proxyless.nn.blocks import Block, batch_norm, build_layer
from proxyless.nn.mixed import has_gates
from proxyless.ops import LayerSpec
from proxyless.search.shared import inherit
from proxyless.space import Decision, Slot, Space, build_space
from tests.helpers import elastic_space, every_path, randomise, saved_by_a_step

_SPACE = elastic_space()


def _net(space: Space = _SPACE) -> SuperNet:
    torch.manual_seed(0)
    net = SuperNet(space)
    randomise(net)
    return net.double()


_WIDE = LayerSpec("mbconv", (6, 6, 12), (6, 6, 12), 5, 3, residual=True, se=16, act="h_swish")
_NARROW = [
    LayerSpec("mbconv", (6, 6, 8), (6, 6, 8), 5, 3, residual=True, se=8, act="h_swish"),
    LayerSpec("mbconv", (6, 6, 8), (6, 6, 12), 5, 3, se=8, act="h_swish"),
    LayerSpec("mbconv", (6, 6, 8), (6, 6, 8), 3, 2, residual=True, se=8, act="h_swish"),
    LayerSpec("mbconv", (4, 4, 12), (4, 4, 8), 3, 3, se=16, act="h_swish"),
]


@pytest.mark.parametrize("spec", _NARROW, ids=str)
def test_a_part_of_a_block_is_the_block_with_everything_else_masked_out(spec: LayerSpec) -> None:
    torch.manual_seed(0)
    block = build_layer(_WIDE, batch_norm).double()
    randomise(block)
    x = torch.randn(4, spec.in_shape[2], *spec.in_shape[:2], dtype=torch.double)
    masks = _masks(spec)
    masked = {name: parameter * masks[name.removeprefix("branch.")] for name, parameter in block.named_parameters()}
    padded = torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 12 - spec.in_shape[2]))
    out = torch.func.functional_call(block.branch, {n.removeprefix("branch."): w for n, w in masked.items()}, (padded,))
    expected = out[:, : spec.out_shape[2]] + (x if spec.residual else 0.0)
    torch.testing.assert_close(block.part(x, spec), expected, rtol=1e-8, atol=1e-8)


def _masks(spec: LayerSpec) -> dict[str, Tensor]:
    """Ones where the weights of the narrow layer are, by name of the wide one's."""
    mid, out, inputs = spec.mid_channels, spec.out_shape[2], spec.in_shape[2]

    def first(count: int, of: int) -> Tensor:
        return (torch.arange(of) < count).double()

    rim = (5 - spec.kernel) // 2
    kernel = first(spec.kernel + rim, 5) - first(rim, 5)
    mids, outs, squeezed = first(mid, 36), first(out, 12), first(spec.se, 16)
    return {
        "expand.weight": (mids[:, None] * first(inputs, 12))[..., None, None],
        "depthwise.weight": mids[:, None, None, None] * kernel[:, None] * kernel,
        "squeeze.weight": (squeezed[:, None] * mids)[..., None, None],
        "squeeze.bias": squeezed,
        "excite.weight": (mids[:, None] * squeezed)[..., None, None],
        "excite.bias": mids,
        "project.weight": (outs[:, None] * mids)[..., None, None],
        **{f"{name}_norm.{part}": mids for name in ("expand", "depthwise") for part in ("weight", "bias")},
        **{f"project_norm.{part}": outs for part in ("weight", "bias")},
    }


@pytest.mark.parametrize("path", every_path(_SPACE)[::29], ids=str)
def test_every_path_is_the_plain_network_with_its_weights(path: tuple[int, ...]) -> None:
    net = _net()
    images = torch.randn(4, 3, 16, 16, dtype=torch.double)
    side = (8, 16)[path[0]]
    small = interpolate(images, size=(side, side), mode="bilinear", antialias=True) if side < 16 else images
    plain = inherit(net, _SPACE, path).double().train()
    torch.testing.assert_close(net(images, plain_choices(path)), plain(small), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["tiny", "mobile"])
def test_random_networks_of_the_spaces_with_searched_widths(name: str) -> None:
    space = build_space(name, {"resolution": 32, "num_classes": 3})
    net = _net(space)
    images = torch.randn(2, 3, 32, 32, dtype=torch.double)
    for seed in range(3):
        path = space.ops_path(space.random_ops(random.Random(seed)))
        plain = inherit(net, space, path).double().train()
        torch.testing.assert_close(net(images, plain_choices(path)), plain(images), rtol=1e-7, atol=1e-7)


def test_what_a_path_has_no_part_in_gets_no_gradient() -> None:
    net = _net()
    path = [0] * len(_SPACE.decisions)
    net(torch.randn(4, 3, 16, 16, dtype=torch.double), plain_choices(path)).square().mean().backward()
    stem, first, second, *_ = net.layers
    assert all(p.grad is None for p in second.parameters())  # the depth is 1
    assert isinstance(first, MixedLayer)
    assert all(p.grad is None for p in first.candidates["1"].parameters())  # the other operation
    conv = stem.get_parameter("candidates.0.branch.conv.weight")
    assert conv.grad is not None and bool(conv.grad[:4].any()) and not bool(conv.grad[4:].any())


def _weighted(net: SuperNet, images: Tensor, path: Sequence[int], gates: dict[int, Tensor]) -> Tensor:
    """The reference: in every slot the operations weighted by the gates of their decision."""
    x = images if path[0] == 1 else interpolate(images, size=(8, 8), mode="bilinear", antialias=True)
    for layer in net.layers:
        assert isinstance(layer, MixedLayer)
        if layer.decision is None:
            x = layer.compute(path, x)
            continue
        outputs = [
            layer.compute([*path[: layer.decision], op, *path[layer.decision + 1 :]], x)
            for op in range(len(gates[layer.decision]))
        ]
        x = torch.stack([g * y for g, y in zip(gates[layer.decision], outputs, strict=True)]).sum(0)
    loss: Tensor = x.square().mean()
    return loss


@pytest.mark.parametrize("path", every_path(_SPACE)[::37], ids=str)
def test_gates_have_the_gradient_of_all_their_slots_at_any_width_depth_and_resolution(path: tuple[int, ...]) -> None:
    net = _net()
    gated = [number for number, has in enumerate(has_gates(_SPACE.decisions, _SPACE.slots)) if has]
    images = torch.randn(3, 3, 16, 16, dtype=torch.double)
    alphas = {d: torch.randn(_SPACE.sizes[d], dtype=torch.double, requires_grad=True) for d in gated}
    choices = [Choice(choice) for choice in path]
    for d, alpha in alphas.items():
        choices[d] = Choice(path[d], tuple(range(len(alpha))), alpha.softmax(0))
    ours = torch.autograd.grad(net(images, choices).square().mean(), list(alphas.values()))
    gates = {d: torch.eye(_SPACE.sizes[d], dtype=torch.double)[path[d]].requires_grad_() for d in gated}
    grads = torch.autograd.grad(_weighted(net, images, path, gates), list(gates.values()))
    for mine, grad, alpha in zip(ours, grads, alphas.values(), strict=True):
        p = alpha.detach().softmax(0)
        torch.testing.assert_close(mine, p * (grad - (p * grad).sum()), rtol=1e-8, atol=1e-11)


def test_memory_of_an_architecture_step_is_that_of_one_path() -> None:
    net, images = _net(), torch.randn(3, 3, 16, 16, dtype=torch.double)
    path = [size - 1 for size in _SPACE.sizes]
    path[-1] = 1

    compared = [
        Choice(choice, (0, 1), torch.full((2,), 0.5, requires_grad=True)) if has else Choice(choice)
        for choice, has in zip(path, has_gates(_SPACE.decisions, _SPACE.slots), strict=True)
    ]
    one_path = saved_by_a_step(net, images, [Choice(choice) for choice in path])
    assert saved_by_a_step(net, images, compared) <= 1.05 * one_path


def test_a_slot_of_several_operations_has_no_gates() -> None:
    decisions = [Decision("a", ("x", "y")), Decision("b", ("x", "y")), Decision("c", ("x", "y"))]
    spec = LayerSpec("conv", (8, 8, 4), (8, 8, 4))
    slots = [Slot((0, 1), (2, 2), (spec,) * 4), Slot((2,), (2,), (spec, None))]
    assert has_gates(decisions, slots) == [False, False, True]


def test_residual_branches_start_at_zero_only_where_a_layer_always_has_its_shortcut() -> None:
    torch.manual_seed(0)
    net = SuperNet(build_space("tiny"))
    for layer in net.layers:
        assert isinstance(layer, MixedLayer)
        for name, block in layer.candidates.items():
            assert isinstance(block, Block)
            norms = [p for n, p in block.named_parameters() if n.endswith("project_norm.weight")]
            assert all(bool((norm == 0).all()) == layer.is_residual(name) for norm in norms)
