"""Precision and memory format: gates in bfloat16 against float32, and blocks that keep channels last."""

import torch

from proxyless.execution import Execution
from proxyless.nn import Choice, MixedLayer, SuperNet
from proxyless.nn.norm import GlobalNorm
from proxyless.space import tiny
from tests.helpers import randomise

_SPACE = tiny(resolution=16)


def _net() -> SuperNet:
    torch.manual_seed(0)
    net = Execution().prepare(SuperNet(_SPACE))
    randomise(net)
    return net


def test_gate_gradients_of_a_layer_in_bfloat16_are_those_in_float32() -> None:
    """Of one layer: through a whole network the gradient of the weights is rounded as much as that of the gates."""
    torch.manual_seed(1)
    for layer, spec in list(zip(_net().layers, _SPACE.layers, strict=True))[:2]:
        height, width, channels = spec.in_shape
        x = torch.randn(8, channels, height, width).contiguous(memory_format=torch.channels_last)
        found, direction = [], torch.randn(8, *layer(x, Choice(0)).shape[1:])
        for enabled in (False, True):
            alpha = torch.zeros(len(spec.ops), requires_grad=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                y = layer(x, Choice(0, tuple(range(len(alpha))), alpha.softmax(0)))
            (gradient,) = torch.autograd.grad((y.float() * direction).sum(), alpha)
            assert gradient.dtype == torch.float32
            found.append(gradient)
        exact, rounded = found
        assert float((exact - rounded).norm() / exact.norm()) < 0.05  # bfloat16 has eight bits


def test_every_candidate_keeps_channels_last() -> None:
    for layer, spec in zip(_net().layers, _SPACE.layers, strict=True):
        assert isinstance(layer, MixedLayer)
        height, width, channels = spec.in_shape
        x = torch.randn(2, channels, height, width).contiguous(memory_format=torch.channels_last)
        for block in layer.candidates.values():
            y = block(x)
            assert y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous()


def test_norm_over_one_process_is_batch_norm_with_the_same_format_and_statistics() -> None:
    with torch.random.fork_rng():
        store = torch._C._distributed_c10d.HashStore()
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        try:
            plain = torch.nn.BatchNorm2d(6)
            torch.nn.init.uniform_(plain.weight, 0.5, 1.5)
            shared = GlobalNorm.like(torch.nn.BatchNorm2d(6))
            shared.load_state_dict(plain.state_dict())
            x = torch.randn(4, 6, 5, 5).contiguous(memory_format=torch.channels_last) + 3
            ours, reference = shared(x), plain(x)
            torch.testing.assert_close(ours, reference)
            assert ours.is_contiguous(memory_format=torch.channels_last)
            for name, value in shared.state_dict().items():
                torch.testing.assert_close(value, plain.state_dict()[name])
        finally:
            torch.distributed.destroy_process_group()
