"""Precision and memory format: gates in bfloat16 against float32, and blocks that keep channels last."""

import torch

from proxyless.execution import Execution
from proxyless.nn import Choice, SuperNet
from proxyless.nn.norm import GlobalNorm
from proxyless.space import tiny_fixed
from tests.helpers import input_shape, randomise, searched_layers

_SPACE = tiny_fixed(resolution=16)


def _net() -> SuperNet:
    torch.manual_seed(0)
    net = Execution().prepare(SuperNet(_SPACE))
    randomise(net)
    return net


def test_gate_gradients_of_a_layer_in_bfloat16_are_those_in_float32() -> None:
    """Of one layer: through a whole network the gradient of the weights is rounded as much as that of the gates."""
    torch.manual_seed(1)
    path = [0] * len(_SPACE.decisions)
    for number, layer in enumerate(searched_layers(_net())[:2]):
        x = torch.randn(8, *input_shape(layer)).contiguous(memory_format=torch.channels_last)
        found, direction = [], torch.randn(8, *layer.compute(path, x).shape[1:])
        for enabled in (False, True):
            alpha = torch.zeros(len(_SPACE.decisions[number].choices), requires_grad=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                choices = [Choice(0) for _ in path]
                choices[number] = Choice(0, tuple(range(len(alpha))), alpha.softmax(0))
                y = layer(x, choices, path)
            (gradient,) = torch.autograd.grad((y.float() * direction).sum(), alpha)
            assert gradient.dtype == torch.float32
            found.append(gradient)
        exact, rounded = found
        assert float((exact - rounded).norm() / exact.norm()) < 0.05  # bfloat16 has eight bits


def test_every_candidate_keeps_channels_last() -> None:
    for layer in searched_layers(_net()):
        x = torch.randn(2, *input_shape(layer)).contiguous(memory_format=torch.channels_last)
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
