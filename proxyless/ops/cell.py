"""The edges of a cell in the order of NAS-Bench-201 (Dong, Yang, ICLR 2020): activation, convolution, BatchNorm."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower_relu_conv(spec: LayerSpec, chain: Chain) -> None:
    """Of `spec.kernel` and `spec.stride`."""
    chain.conv("conv", chain.act(0, spec.act), spec.out_shape[2], spec.kernel, spec.stride)
