"""A depthwise convolution and a 1x1 convolution, both with an activation (Howard et al., "MobileNets", 2017)."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower(spec: LayerSpec, chain: Chain) -> None:
    channels = spec.in_shape[2]
    out = chain.conv("depthwise", 0, channels, spec.kernel, spec.stride, groups=channels, act=spec.act)
    out = chain.squeeze_excite(out, spec.se)
    out = chain.conv("project", out, spec.out_shape[2], act=spec.act)
    if spec.residual:
        chain.add(out, 0)
