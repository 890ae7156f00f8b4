"""Operators by name: a new one is one new file and one line in `OPERATORS`, or an entry point of another package."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from proxyless.errors import InputError
from proxyless.ops import cell, conv, depthwise_separable, fused_mbconv, heads, mbconv, pooling
from proxyless.ops.lowered import Chain, Lowered
from proxyless.ops.primitives import Add
from proxyless.ops.spec import LayerSpec
from proxyless.plugins import find_with_plugins

Operator = Callable[[LayerSpec, Chain], None]
"""Writes a layer down as primitives; tensor 0 is its input, the last one its output."""


@dataclass(frozen=True)
class Composite:
    """An operator whose layers are not measured themselves: there would be too many.

    parts: the layers whose latencies a layer's is the sum of, and so are its parameters and multiply-accumulates.
    """

    lower: Operator
    parts: Callable[[LayerSpec], tuple[LayerSpec, ...]]

    def __call__(self, spec: LayerSpec, chain: Chain) -> None:
        self.lower(spec, chain)


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
    "cell": Composite(cell.lower_cell, cell.cell_parts),
    "sum": cell.lower_sum,
    "zero": cell.lower_zero,
    "reduction": cell.lower_reduction,
    "norm": cell.lower_norm,
}


@cache
def lower_layer(spec: LayerSpec) -> Lowered:
    """The primitives of a layer.

    Raises:
        InputError: no such operator, or shapes that it cannot have.
    """
    chain = Chain(spec.in_shape)
    find_with_plugins("operator", spec.op, OPERATORS)(spec, chain)
    lowered = chain.finish(spec.residual)
    flat = (1, 1, *lowered.shapes[-1])[-3:]
    if flat != spec.out_shape:
        raise InputError(f"the layer {spec} would have an output of {flat}")
    if spec.residual and lowered.nodes[-1] != Add(len(lowered.nodes) - 1, 0):
        raise InputError(f"the operator {spec.op!r} adds no input to its output ({spec})")
    return lowered


@cache
def layer_parts(spec: LayerSpec) -> tuple[LayerSpec, ...]:
    """The layers that are measured for this one: itself, but for one of a composite operator."""
    operator = find_with_plugins("operator", spec.op, OPERATORS)
    return operator.parts(spec) if isinstance(operator, Composite) else (spec,)


def has_shortcut(spec: LayerSpec) -> bool:
    """Whether its operator adds the input to the output where a layer of these shapes asks for it."""
    try:
        lower_layer(replace(spec, residual=True))
    except InputError:
        return False
    return True
