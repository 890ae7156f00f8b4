"""Operators by name: a new one is one new file and one line in `OPERATORS`."""

from collections.abc import Callable
from functools import cache

from proxyless.errors import InputError, find_by_name
from proxyless.ops import cell, conv, depthwise_separable, fused_mbconv, heads, mbconv, pooling
from proxyless.ops.lowered import Chain, Lowered
from proxyless.ops.spec import LayerSpec
from proxyless.plugins import announced

Operator = Callable[[LayerSpec, Chain], None]
"""Writes a layer down as primitives; tensor 0 is its input, the last one its output."""

OPERATORS: dict[str, Operator] = {
    "conv": conv.lower,
    "mbconv": mbconv.lower,
    "mbconv_expanded": mbconv.lower_expanded,
    "mbconv_projected": mbconv.lower_projected,
    "fused_mbconv": fused_mbconv.lower,
    "depthwise_separable": depthwise_separable.lower,
    "avgpool": pooling.lower_global,
    "pool_mean": pooling.lower_mean,
    "pool_max": pooling.lower_max,
    "linear": heads.lower_linear,
    "classifier": heads.lower_classifier,
    "wide_classifier": heads.lower_wide_classifier,
    "mixed_classifier": heads.lower_mixed_classifier,
    "relu_conv": cell.lower_relu_conv,
}


@cache
def known_operators() -> dict[str, Operator]:
    """Ours, and those that installed packages announce as entry points of `proxyless.operators`."""
    return {**OPERATORS, **announced("operator")}


@cache
def lower_layer(spec: LayerSpec) -> Lowered:
    """The primitives of a layer.

    Raises:
        InputError: no such operator, or shapes that it cannot have.
    """
    chain = Chain(spec.in_shape)
    find_by_name("operator", spec.op, known_operators())(spec, chain)
    lowered = chain.finish()
    flat = (1, 1, *lowered.shapes[-1])[-3:]
    if flat != spec.out_shape:
        raise InputError(f"the layer {spec} would have an output of {flat}")
    return lowered
