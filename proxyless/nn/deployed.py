"""A network as it is written into files."""

from copy import deepcopy

import torch
from torch import nn

from proxyless.nn.blocks import Branch


def with_folded_norms(network: nn.Module) -> nn.Module:
    """A copy, to evaluate, in which a BatchNorm that follows no convolution is a depthwise 1x1 convolution with a bias:
    exporters fold only the others."""
    copied = deepcopy(network).eval()
    for branch in [module for module in copied.modules() if isinstance(module, Branch)]:
        for name, part in list(branch.named_children()):
            if isinstance(part, nn.BatchNorm2d) and not name.endswith("_norm"):
                setattr(branch, name, _convolution(part))
    return copied


@torch.no_grad()
def _convolution(norm: nn.BatchNorm2d) -> nn.Conv2d:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    conv = nn.Conv2d(norm.num_features, norm.num_features, 1, groups=norm.num_features)
    conv.weight.copy_(scale[:, None, None, None])
    assert conv.bias is not None
    conv.bias.copy_(norm.bias - norm.running_mean * scale)
    return conv.to(norm.weight.device).eval()
