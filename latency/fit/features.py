"""What a layer asks of a processor: the physical quantities that its latency is explained by."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from math import prod

import numpy as np

from proxyless.ops import Conv, Flatten, LayerSpec, Linear, Node, lower_layer


@dataclass(frozen=True)
class Work:
    """The work of one layer for one image.

    pointwise_mmacs, depthwise_mmacs, dense_mmacs: million multiply-accumulates of 1x1 convolutions and linear
    layers, of depthwise convolutions, and of other convolutions. activation_mb: megabytes read and written by
    its operators (float32), weight_mb: of their weights. calls: operators executed.
    """

    pointwise_mmacs: float = 0.0
    depthwise_mmacs: float = 0.0
    dense_mmacs: float = 0.0
    activation_mb: float = 0.0
    weight_mb: float = 0.0
    calls: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


WORK = tuple(field.name for field in fields(Work))
_MB = 4e-6  # a float32 element


@cache
def work(spec: LayerSpec) -> Work:
    """The work of a layer."""
    lowered = lower_layer(spec)
    pairs = zip(lowered.nodes, lowered.shapes[1:], strict=True)
    works = [_node_work(node, shape, [lowered.shapes[source] for source in node.sources]) for node, shape in pairs]
    return sum(works, Work())


def _node_work(node: Node, shape: tuple[int, ...], sources: Sequence[tuple[int, ...]]) -> Work:
    if isinstance(node, Flatten):  # moves nothing
        return Work()
    moved = sum(map(prod, [*sources, shape])) * _MB
    if not isinstance(node, Conv | Linear):
        return Work(activation_mb=moved, calls=1)
    mmacs = node.weights * prod(shape[:-1]) / 1e6
    kind = "pointwise_mmacs" if isinstance(node, Linear) or node.kernel == 1 else "dense_mmacs"
    if isinstance(node, Conv) and node.depthwise:
        kind = "depthwise_mmacs"
    return Work(**{kind: mmacs}, activation_mb=moved, weight_mb=node.weights * _MB, calls=1)


def work_matrix(specs: Iterable[LayerSpec]) -> np.ndarray:
    """The work of each layer, (layers, len(WORK))."""
    return np.array([astuple(work(spec)) for spec in specs])
