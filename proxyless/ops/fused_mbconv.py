"""The fused inverted bottleneck (Tan, Le, "EfficientNetV2", ICML 2021; Edge TPU): expand KxK, project 1x1."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower(spec: LayerSpec, chain: Chain) -> None:
    """One convolution KxK where the block is no wider than its input."""
    if spec.mid_channels == spec.in_shape[2]:
        out = chain.conv("fused", 0, spec.out_shape[2], spec.kernel, spec.stride, act=spec.act)
    else:
        out = chain.conv("fused", 0, spec.mid_channels, spec.kernel, spec.stride, act=spec.act)
        out = chain.squeeze_excite(out, spec.se)
        out = chain.conv("project", out, spec.out_shape[2])
    if spec.residual:
        chain.add(out, 0)
