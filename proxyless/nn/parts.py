"""Modules computed with a part of their weights: the first channels, and the centres of kernels."""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import batch_norm, conv2d, linear

from proxyless.nn.depthwise import DepthwiseConv
from proxyless.ops import Conv, Linear, Norm


def common_part(weight: Tensor, other: torch.Size) -> tuple[slice, ...]:
    """Where in `weight` it has what a tensor of another shape has too: the first channels, and the centre of a kernel
    (out, in, K, K)."""
    sizes = [(size, min(size, there)) for size, there in zip(weight.shape, other, strict=True)]
    rims = [(size - common) // 2 if axis >= 2 else 0 for axis, (size, common) in enumerate(sizes)]
    return tuple(slice(rim, rim + common) for rim, (_, common) in zip(rims, sizes, strict=True))


def compute_part(module: nn.Module, node: Conv | Linear | Norm, x: Tensor) -> Tensor:
    """What the node asks of one of its modules: convolution or linear layer, normalisation, activation."""
    match module:
        case nn.Conv2d():
            assert isinstance(node, Conv)
            return _convolution(module, node, x)
        case nn.Linear():
            assert isinstance(node, Linear)
            return linear(x, module.weight[: node.out_channels, : node.in_channels], module.bias[: node.out_channels])
        case nn.modules.batchnorm._BatchNorm():
            return _norm(module, node.out_channels, x)
        case _:
            out: Tensor = module(x)
            return out


def _convolution(module: nn.Conv2d, node: Conv, x: Tensor) -> Tensor:
    shape = torch.Size((node.out_channels, node.in_channels // node.groups, node.kernel, node.kernel))
    weight = module.weight[common_part(module.weight, shape)]
    if isinstance(module, DepthwiseConv):
        return module.compute(x, weight)
    bias = None if module.bias is None else module.bias[: node.out_channels]
    return conv2d(x, weight, bias, module.stride, node.kernel // 2, groups=node.groups)


def _norm(module: nn.modules.batchnorm._BatchNorm, channels: int, x: Tensor) -> Tensor:
    """Statistics of the batch: those that run would mix networks."""
    weight, bias = module.weight[:channels], module.bias[:channels]
    if type(module) is nn.BatchNorm2d:
        return batch_norm(x, None, None, weight, bias, training=True, eps=module.eps)
    out: Tensor = functional_call(module, {"weight": weight, "bias": bias}, (x,))
    return out
