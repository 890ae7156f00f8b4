"""The cells of NAS-Bench-201 (Dong, Yang, ICLR 2020), and the layers around them.

A cell is a small graph: every node but the first is the sum of what comes along the edges from the nodes before it. Its
convolutions are in the order activation, convolution, BatchNorm.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice

from proxyless.ops.activations import Activation
from proxyless.ops.lowered import Chain
from proxyless.ops.spec import LayerSpec, Shape

Edges = tuple[str, ...]
"""The operation of every edge, in the order of `edge_ends`."""

NONE, SKIP_CONNECT, POOL = "none", "skip_connect", "avg_pool_3x3"
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
EDGE_OPS = (*reversed(KERNELS), POOL, SKIP_CONNECT, NONE)
"""What an edge may be, by the published names."""


@cache
def edge_ends(edges: int) -> tuple[tuple[int, int], ...]:
    """The nodes at both ends of so many edges: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3, ..."""
    ends = ((source, target) for target in range(1, edges + 1) for source in range(target))
    return tuple(islice(ends, edges))


@cache
def prune(edges: Edges) -> Edges:
    """The same cell without the edges that nothing comes through, or that lead nowhere: these become none."""
    ends = edge_ends(len(edges))
    fed, wanted = {0}, {ends[-1][1]}
    for op, (source, target) in zip(edges, ends, strict=True):
        if op != NONE and source in fed:
            fed.add(target)
    for op, (source, target) in zip(reversed(edges), reversed(ends), strict=True):
        if op != NONE and source in fed and target in wanted:
            wanted.add(source)
    pairs = zip(edges, ends, strict=True)
    return tuple(op if source in fed and target in wanted else NONE for op, (source, target) in pairs)


def remaining(edges: Edges) -> Iterator[tuple[str, int, int]]:
    """Operation, source and target of the edges that matter, in the order of their targets."""
    for op, (source, target) in zip(prune(edges), edge_ends(len(edges)), strict=True):
        if op != NONE:
            yield op, source, target


@cache
def is_identity(edges: Edges) -> bool:
    """Whether the cell gives its input: one way through it, of nothing but skips."""
    left = list(remaining(edges))
    targets = {target for _, _, target in left}
    return bool(left) and all(op == SKIP_CONNECT for op, _, _ in left) and len(targets) == len(left)


def lower_cell(spec: LayerSpec, chain: Chain) -> None:
    """Edges from one node have its activation in common. A cell that nothing comes through gives zeros, as published:
    what comes before it is still computed."""
    tensors, active = {0: 0}, dict[int, int]()
    for op, source, target in remaining(spec.edges):
        out = tensors[source]
        if op in KERNELS:
            if source not in active:
                active[source] = chain.act(out, spec.act)
            name = f"conv{KERNELS[op]}_{source}_{target}"
            out = chain.conv(name, active[source], spec.out_shape[2], KERNELS[op])
        elif op == POOL:
            out = chain.pool(out, "mean", 3, 1)
        tensors[target] = chain.add(tensors[target], out) if target in tensors else out
    if len(tensors) == 1:
        chain.affine(0, scale=0.0)


def cell_parts(spec: LayerSpec) -> tuple[LayerSpec, ...]:
    """What is measured instead of a cell: its operations, and a sum for each but the first that comes to a node."""
    return tuple(_part(kind, spec.in_shape, spec.act) for kind in _kinds(spec.edges))


@cache
def _kinds(edges: Edges) -> tuple[str, ...]:
    kinds, fed = list[str](), set[int]()
    for op, _, target in remaining(edges):
        kinds += [op] * (op != SKIP_CONNECT) + ["sum"] * (target in fed)
        fed.add(target)
    return tuple(kinds) if fed else ("zero",)


@cache
def _part(kind: str, shape: Shape, act: Activation) -> LayerSpec:
    if kind in KERNELS:
        return LayerSpec("relu_conv", shape, shape, KERNELS[kind], act=act)
    op, kernel = ("pool_mean", 3) if kind == POOL else (kind, 1)
    return LayerSpec(op, shape, shape, kernel, act="none")


def lower_relu_conv(spec: LayerSpec, chain: Chain) -> None:
    """An edge by itself, of `spec.kernel` and `spec.stride`."""
    chain.conv("conv", chain.act(0, spec.act), spec.out_shape[2], spec.kernel, spec.stride)


def lower_sum(spec: LayerSpec, chain: Chain) -> None:
    """Of two tensors; by itself, of the input with itself."""
    chain.add(0, 0)


def lower_zero(spec: LayerSpec, chain: Chain) -> None:
    chain.affine(0, scale=0.0)


def lower_reduction(spec: LayerSpec, chain: Chain) -> None:
    """The residual block between two stages: two convolutions, and as its shortcut a mean and a 1x1 convolution."""
    out = chain.conv("conv1", chain.act(0, spec.act), spec.out_shape[2], spec.kernel, spec.stride, act=spec.act)
    out = chain.conv("conv2", out, spec.out_shape[2], spec.kernel)
    pooled = chain.pool(0, "mean", spec.stride, spec.stride)
    chain.add(chain.conv("shortcut", pooled, spec.out_shape[2], norm=False), out)


def lower_norm(spec: LayerSpec, chain: Chain) -> None:
    """BatchNorm and an activation."""
    chain.norm("norm", 0, spec.act)
