"""Let the candidates of a searched layer start as the same function.

Sampled paths train a candidate only when it is drawn, and every layer sees another input each time. With
independent initialisations a small data set cannot untangle that: on the embedded digits the loss of
sampled paths fell from 2.3 to 2.2 in 250 steps, against 1.0 with candidates that start alike and residual
branches that start at zero.
"""

import torch
from torch import nn

from proxyless.nn.blocks import MBConv
from proxyless.nn.mixed import MixedLayer

_EXTRA_SCALE = 0.1
"""Weight of the channels that a wider candidate has beyond the narrowest, at the start."""


@torch.no_grad()
def align_candidates(layer: MixedLayer) -> None:
    """Copy the smallest candidate into the first channels and the kernel centres of all others.

    The last normalisation of residual branches starts at zero, so that a layer starts as the identity
    (Goyal et al., "Accurate, large minibatch SGD", 2017, section 5.1).
    """
    blocks = [block for block in layer.candidates.values() if isinstance(block, MBConv)]
    if not blocks:  # a limit on memory may leave the skip alone
        return
    smallest = min(blocks, key=lambda block: sum(p.numel() for p in block.parameters()))
    for block in blocks:
        if block is not smallest:
            _copy(smallest, block)
        if block.residual:
            nn.init.zeros_(_weight(block, "project_norm"))


def _weight(block: MBConv, name: str) -> torch.Tensor:
    weight = block.branch.get_submodule(name).weight
    assert isinstance(weight, torch.Tensor)
    return weight


def _copy(source: MBConv, target: MBConv) -> None:
    """As much of the source as the target has room for."""
    kernel, wide = (_weight(block, "depthwise") for block in (source, target))
    channels = min(len(kernel), len(wide))
    here, there = _centre(kernel, wide), _centre(wide, kernel)
    wide[:channels] = 0
    wide[:channels, :, there, there] = kernel[:channels, :, here, here]
    project = _weight(target, "project")
    project[:, :channels] = _weight(source, "project")[:, :channels]
    project[:, channels:] *= _EXTRA_SCALE
    if all("expand" in dict(block.branch.named_children()) for block in (source, target)):
        _weight(target, "expand")[:channels] = _weight(source, "expand")[:channels]


def _centre(kernel: torch.Tensor, other: torch.Tensor) -> slice:
    """What a kernel (channels, 1, K, K) has in common with another one."""
    rim = max(0, (kernel.shape[2] - other.shape[2]) // 2)
    return slice(rim, kernel.shape[2] - rim)
