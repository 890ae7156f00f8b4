"""Pooling over a window, or over the whole image."""

from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec


def lower_mean(spec: LayerSpec, chain: Chain) -> None:
    chain.pool(0, "mean", spec.kernel, spec.stride)


def lower_max(spec: LayerSpec, chain: Chain) -> None:
    chain.pool(0, "max", spec.kernel, spec.stride)


def lower_global(spec: LayerSpec, chain: Chain) -> None:
    chain.global_pool(0)
