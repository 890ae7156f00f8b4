"""A network as the few primitive operations that every runtime has, with its weights; BatchNorm is folded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proxyless.errors import InputError
from proxyless.space import LayerSpec, Shape

Array = NDArray[np.float32]
Weights = Callable[[tuple[int, ...]], tuple[Array, Array]]
"""Gives weight and bias for a weight shape: (out, in / groups, kernel, kernel) or (out, in)."""


@dataclass(frozen=True)
class Conv:
    """weight: (out, in / groups, kernel, kernel). bias: (out,). Padding is kernel // 2 on every side."""

    weight: Array
    bias: Array
    stride: int
    groups: int
    act: str

    @property
    def depthwise(self) -> bool:
        return self.groups > 1


@dataclass(frozen=True)
class Add:
    """Sum of the input and of the tensor number `other`."""

    other: int


@dataclass(frozen=True)
class Pool:
    """Global average over height and width; the result is (N, C)."""


@dataclass(frozen=True)
class Linear:
    """weight: (out, in). bias: (out,)."""

    weight: Array
    bias: Array


Node = Conv | Add | Pool | Linear


@dataclass
class Graph:
    """A chain of nodes: tensor 0 is the input, node i reads tensor i and writes tensor i + 1.

    shapes: per tensor (H, W, C), or (C,) after pooling.
    """

    batch: int
    shapes: list[tuple[int, ...]]
    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node, shape: tuple[int, ...]) -> None:
        self.nodes.append(node)
        self.shapes.append(shape)

    def random_images(self) -> Array:
        """An input to calibrate on, (N, C, H, W), of a network whose results nobody looks at."""
        height, width, channels = self.shapes[0]
        return np.random.default_rng(0).standard_normal((self.batch, channels, height, width), dtype=np.float32)


_DRAWN = 4093
"""Distinct random numbers in a model that is only timed: few, so that its file compresses on its way to a device."""


def random_weights(seed: int = 0) -> Weights:
    """He-scaled weights and small biases: activations keep a realistic range at any depth."""
    drawn = np.random.default_rng(seed).standard_normal(_DRAWN, dtype=np.float32)

    def draw(shape: tuple[int, ...]) -> tuple[Array, Array]:
        scale = np.float32((2 / np.prod(shape[1:])) ** 0.5)
        return np.resize(drawn * scale, shape), np.resize(drawn * np.float32(0.1), shape[0])

    return draw


def lower(layers: Sequence[LayerSpec], weights: Weights, batch: int = 1) -> Graph:
    """The graph of a chain of layers.

    Raises:
        InputError: a layer kind that cannot be built, or one that does not fit the one before.
    """
    graph = Graph(batch, [layers[0].in_shape])
    for spec in layers:
        if graph.shapes[-1] != spec.in_shape:
            raise InputError(f"the layer {spec} does not fit after an output of {graph.shapes[-1]}")
        _lower_layer(graph, spec, weights)
    return graph


def _lower_layer(graph: Graph, spec: LayerSpec, weights: Weights) -> None:
    if spec.se:
        raise InputError(f"no model can be written yet for a squeeze-and-excite layer ({spec})")
    out_c = spec.out_shape[2]
    match spec.op:
        case "conv":
            _conv(graph, weights, spec.in_shape[2], out_c, spec.kernel, spec.stride, spec.act, spec.out_shape)
        case "mbconv":
            _mbconv(graph, spec, weights)
        case "classifier":
            graph.add(Pool(), (spec.in_shape[2],))
            graph.add(Linear(*weights((out_c, spec.in_shape[2]))), (out_c,))
        case _:
            raise InputError(f"no model can be written for a layer of kind {spec.op!r} ({spec})")


def _mbconv(graph: Graph, spec: LayerSpec, weights: Weights) -> None:
    start, mid = len(graph.nodes), spec.mid_channels
    wide: Shape = (*spec.in_shape[:2], mid)
    small: Shape = (*spec.out_shape[:2], mid)
    if spec.expand > 1:
        _conv(graph, weights, spec.in_shape[2], mid, 1, 1, spec.act, wide)
    _conv(graph, weights, mid, mid, spec.kernel, spec.stride, spec.act, small, groups=mid)
    _conv(graph, weights, mid, spec.out_shape[2], 1, 1, "none", spec.out_shape)
    if spec.residual:
        graph.add(Add(start), spec.out_shape)


def _conv(
    graph: Graph,
    weights: Weights,
    in_c: int,
    out_c: int,
    kernel: int,
    stride: int,
    act: str,
    shape: Shape,
    groups: int = 1,
) -> None:
    weight, bias = weights((out_c, in_c // groups, kernel, kernel))
    graph.add(Conv(weight, bias, stride, groups, act), shape)
