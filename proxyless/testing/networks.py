"""Random networks whose results tell whether something was lost, and their weights as runtimes take them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from latency.writers.graph import Array, Weights
from proxyless.nn import build_network
from proxyless.space import LayerSpec

MOBILE = [
    LayerSpec("conv", (32, 32, 3), (16, 16, 16), 3, stride=2),
    LayerSpec("mbconv", (16, 16, 16), (16, 16, 8), 3),
    LayerSpec("mbconv", (16, 16, 8), (8, 8, 16), 3, 3, stride=2),
    LayerSpec("mbconv", (8, 8, 16), (8, 8, 16), 5, 6, residual=True),
    LayerSpec("mbconv", (8, 8, 16), (4, 4, 24), 7, 3, stride=2),
    LayerSpec("mbconv", (4, 4, 24), (4, 4, 24), 3, 6, residual=True),
    LayerSpec("mbconv", (4, 4, 24), (2, 2, 32), 5, 3, stride=2),
    LayerSpec("mbconv", (2, 2, 32), (2, 2, 32), 7, 6, residual=True),
    LayerSpec("conv", (2, 2, 32), (2, 2, 64)),
    LayerSpec("classifier", (2, 2, 64), (1, 1, 10)),
]
"""A network with every kernel, expansions, strides and sums of `tiny`."""

_CELL = ("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "none", "nor_conv_3x3")

EVERY_OPERATOR = [
    LayerSpec("conv", (16, 16, 3), (8, 8, 16), 3, stride=2, act="h_swish"),
    LayerSpec("conv", (8, 8, 16), (8, 8, 16), 3, act="relu6"),
    LayerSpec("mbconv", (8, 8, 16), (8, 8, 16), 3, 3, residual=True, act="h_swish", se=16),
    LayerSpec("mbconv", (8, 8, 16), (8, 8, 16), 5, 2.5, residual=True, act="swish", se=8),
    LayerSpec("mbconv", (8, 8, 16), (4, 4, 24), 5, 3, stride=2, act="relu", se=16, groups=2),
    LayerSpec("fused_mbconv", (4, 4, 24), (4, 4, 24), 3, 2, residual=True, act="swish"),
    LayerSpec("fused_mbconv", (4, 4, 24), (4, 4, 32), 3, act="leaky_relu"),
    LayerSpec("depthwise_separable", (4, 4, 32), (4, 4, 32), 3, residual=True, act="relu6", se=8),
    LayerSpec("pool_mean", (4, 4, 32), (4, 4, 32), 3),
    LayerSpec("relu_conv", (4, 4, 32), (4, 4, 32), 3, act="relu"),
    LayerSpec("pool_max", (4, 4, 32), (2, 2, 32), 3, stride=2),
    LayerSpec("mbconv_expanded", (2, 2, 32), (2, 2, 32), 3, 1, residual=True),
    LayerSpec("mbconv_projected", (2, 2, 32), (2, 2, 24), 3, 2),
    LayerSpec("proxyless.testing.modules:Ghost", (2, 2, 24), (2, 2, 24), 3, 2, residual=True),
    LayerSpec("proxyless.testing.modules:ShuffleUnit", (2, 2, 24), (2, 2, 24), 3),
    LayerSpec("proxyless.testing.modules:Residual", (2, 2, 24), (2, 2, 24), 3, act="swish", se=8, residual=True),
    LayerSpec("cell", (2, 2, 24), (2, 2, 24), act="relu", edges=_CELL),
    LayerSpec("sum", (2, 2, 24), (2, 2, 24), act="none"),
    LayerSpec("reduction", (2, 2, 24), (1, 1, 24), 3, stride=2, act="relu"),
    LayerSpec("norm", (1, 1, 24), (1, 1, 24), act="relu"),
    LayerSpec("wide_classifier", (1, 1, 24), (1, 1, 10), expand=2, act="h_swish"),
]
"""A network with every operator but other heads, every activation, with squeeze-and-excite, groups, a fraction, and
torch modules as users have them."""


def randomise(network: nn.Module) -> nn.Module:
    """Give every BatchNorm and classifier values that a test would notice if they were lost."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return network


def deployable(layers: Sequence[LayerSpec]) -> nn.Module:
    """A random network whose running statistics are those of random images, so that its output depends on its input."""
    torch.manual_seed(0)
    network = randomise(build_network(layers))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # average over all batches
    with torch.no_grad():
        for seed in range(4):
            network(torch.from_numpy(random_images(32, layers[0].in_shape[0], seed)))
    return network.eval()


def folded_weights(network: nn.Module) -> Weights:
    """The network's convolutions with BatchNorm folded by the textbook formula, and its linear layer, in order."""
    pairs = _folded(network)

    def draw(shape: tuple[int, ...]) -> tuple[Array, Array]:
        weight, bias = next(pairs)
        assert weight.shape == shape
        return weight, bias

    return draw


def _folded(network: nn.Module) -> Iterator[tuple[Array, Array]]:
    """A BatchNorm that follows no convolution is a depthwise one."""
    named = dict(network.named_modules())
    for name, module in named.items():
        norm = named.get(f"{name}_norm")
        if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            scale, bias = _scale_and_bias(norm)
            own = 0.0 if module.bias is None else module.bias.detach() * scale
            yield (module.weight * scale[:, None, None, None]).detach().numpy(), (bias + own).numpy()
        elif isinstance(module, nn.Linear | nn.Conv2d):
            bias = torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach()
            yield module.weight.detach().numpy(), bias.numpy()
        elif isinstance(module, nn.BatchNorm2d) and not name.endswith("_norm"):
            scale, bias = _scale_and_bias(module)
            yield scale[:, None, None, None].numpy(), bias.numpy()


def _scale_and_bias(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def random_images(count: int, resolution: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 3, resolution, resolution)).astype(np.float32)
