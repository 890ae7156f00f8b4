"""The bottleneck of ResNet (He et al., CVPR 2016): 1x1, 3x3 and 1x1 convolutions. All else follows from these lines."""

from proxyless.ops import LayerSpec
from proxyless.ops.lowered import Chain


def lower(spec: LayerSpec, chain: Chain) -> None:
    """Write the layer down as primitives."""
    out = chain.conv("reduce", 0, spec.mid_channels, act=spec.act)
    out = chain.conv("conv", out, spec.mid_channels, spec.kernel, spec.stride, act=spec.act)
    chain.conv("restore", out, spec.out_shape[2])
