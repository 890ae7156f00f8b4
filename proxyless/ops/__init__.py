"""Operators: what a layer computes, as primitives that everything else follows from (no torch)."""

from proxyless.ops.activations import COMPOSED, Activation, Elementary
from proxyless.ops.cost import Cost, divisible, layer_cost, network_cost
from proxyless.ops.lowered import Lowered
from proxyless.ops.memory import peak_values
from proxyless.ops.primitives import (
    Act,
    Add,
    Affine,
    Concat,
    Conv,
    Deployed,
    Flatten,
    GlobalPool,
    Linear,
    Mul,
    Node,
    Norm,
    Pool,
    Shuffle,
    Slice,
    Weightless,
)
from proxyless.ops.registry import (
    OPERATORS,
    Composite,
    composition,
    has_shortcut,
    is_module,
    layer_parts,
    lower_layer,
    structure,
)
from proxyless.ops.spec import LayerSpec, Shape

__all__ = [
    "COMPOSED",
    "OPERATORS",
    "Act",
    "Activation",
    "Composite",
    "Deployed",
    "Norm",
    "Weightless",
    "layer_parts",
    "Add",
    "Affine",
    "Concat",
    "Conv",
    "Cost",
    "Elementary",
    "Flatten",
    "GlobalPool",
    "LayerSpec",
    "Linear",
    "Lowered",
    "Mul",
    "Node",
    "Pool",
    "Shape",
    "Shuffle",
    "Slice",
    "divisible",
    "has_shortcut",
    "is_module",
    "layer_cost",
    "lower_layer",
    "network_cost",
    "composition",
    "peak_values",
    "structure",
]
