"""Operators by name: a new one is one new file and one line in `OPERATORS`, an entry point, or a torch module."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from proxyless.errors import InputError
from proxyless.ops import cell, conv, depthwise_separable, fused_mbconv, heads, mbconv, pooling
from proxyless.ops.lowered import Chain, Lowered
from proxyless.ops.modules import Factory, import_module_class, is_reference, lower_by_tracing, makes_modules
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
    factory = module_factory(spec.op)
    if factory is not None:
        lowered = replace(lower_by_tracing(spec.op, factory, spec), residual=spec.residual)
    else:
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
    if is_module(spec):
        return (spec,)
    operator = find_with_plugins("operator", spec.op, OPERATORS)
    return operator.parts(spec) if isinstance(operator, Composite) else (spec,)


def has_shortcut(spec: LayerSpec) -> bool:
    """Whether its operator adds the input to the output where a layer of these shapes asks for it."""
    try:
        lower_layer(replace(spec, residual=True))
    except InputError:
        return False
    return True


@cache
def module_factory(name: str) -> Factory | None:
    """What makes the torch modules of an operator; None for one that writes its primitives down.

    Raises:
        InputError: no such operator, or a module that cannot be imported.
    """
    if is_reference(name):
        return import_module_class(name)
    found = find_with_plugins("operator", name, OPERATORS)
    return found if makes_modules(found) else None


def is_module(spec: LayerSpec) -> bool:
    """Whether the operator of a layer is a torch module."""
    return module_factory(spec.op) is not None


def structure(spec: LayerSpec) -> str | None:
    """Changes with what the torch module of a layer computes; None where the operator is none: its name says it all."""
    if not is_module(spec):
        return None
    return hashlib.sha256(repr(lower_layer(spec).nodes).encode()).hexdigest()[:16]


def composition(spec: LayerSpec) -> list[tuple[object, ...]]:
    """What a layer is made of, whatever its channels, without the sum with its input."""
    sizes = ("in_channels", "out_channels", "groups")
    return [
        (
            type(node),
            getattr(node, "depthwise", None),
            *(value for key, value in vars(node).items() if key not in sizes),
        )
        for node in lower_layer(spec).branch
    ]
