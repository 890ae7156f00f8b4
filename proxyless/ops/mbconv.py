"""The inverted bottleneck (Sandler et al., "MobileNetV2", CVPR 2018): expand 1x1, depthwise KxK, project 1x1.

With squeeze-and-excite between the last two as in MobileNetV3 (Howard et al., ICCV 2019); with the 1x1 convolutions in
groups, and the channels shuffled between them, as in FBNet (Wu et al., CVPR 2019).
"""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower(spec: LayerSpec, chain: Chain) -> None:
    """There is no expansion convolution where the block is no wider than its input."""
    _block(spec, chain, expands=spec.mid_channels != spec.in_shape[2])


def lower_expanded(spec: LayerSpec, chain: Chain) -> None:
    """With an expansion convolution at any width (FBNet)."""
    _block(spec, chain, expands=True)


def lower_projected(spec: LayerSpec, chain: Chain) -> None:
    """The same, and a 1x1 convolution as its shortcut, so that channels may change (kuangliu's MobileNetV2)."""
    _block(spec, chain, expands=True)
    out = len(chain.nodes)
    chain.add(chain.conv("shortcut", 0, spec.out_shape[2], stride=spec.stride), out)


def _block(spec: LayerSpec, chain: Chain, expands: bool) -> None:
    mid, out = spec.mid_channels, 0
    if expands:
        out = chain.conv("expand", out, mid, groups=spec.groups, act=spec.act)
        out = chain.shuffle(out, spec.groups)
    out = chain.conv("depthwise", out, mid, spec.kernel, spec.stride, groups=mid, act=spec.act)
    out = chain.squeeze_excite(out, spec.se)
    out = chain.conv("project", out, spec.out_shape[2], groups=spec.groups)
    if spec.residual:
        chain.add(out, 0)
