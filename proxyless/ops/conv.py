"""A plain convolution, BatchNorm, an activation."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower(spec: LayerSpec, chain: Chain) -> None:
    """Of `spec.kernel` and `spec.stride`."""
    chain.conv("conv", 0, spec.out_shape[2], spec.kernel, spec.stride, spec.groups, spec.act)
