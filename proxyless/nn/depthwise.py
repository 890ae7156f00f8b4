"""Depthwise convolution, by PyTorch or by kernels of our own on a GPU (depthwise_triton.py)."""

from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

CASES = frozenset((kernel, stride) for kernel in (3, 5, 7) for stride in (1, 2))
"""Kernels and strides that our own kernels compute."""

Kernels = Literal["torch", "triton"]


def kernels_here() -> list[Kernels]:
    """Those that can be tried: Triton comes with PyTorch for CUDA."""
    return ["torch", "triton"] if find_spec("triton") else ["torch"]


class DepthwiseConv(nn.Conv2d):
    """An `nn.Conv2d` of one filter per channel, without bias. kernels: whose compute it on a GPU."""

    kernels: Kernels = "torch"

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(x, self.weight)

    def compute(self, x: Tensor, weight: Tensor) -> Tensor:
        """With these weights (channels, 1, K, K), such as some of its own."""
        if self.kernels == "torch" or x.device.type == "cpu":
            return conv2d(x, weight, None, self.stride, weight.shape[-1] // 2, groups=len(weight))
        from proxyless.nn.depthwise_triton import depthwise

        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return depthwise(x, weight.contiguous(), self.stride[0])


def set_depthwise(network: nn.Module, kernels: Kernels) -> None:
    """Have all depthwise convolutions of a network computed so."""
    for module in network.modules():
        if isinstance(module, DepthwiseConv):
            module.kernels = kernels
