"""A network as primitives with their weights, for the writers of model files; BatchNorm is folded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from proxyless.errors import InputError
from proxyless.ops import (
    Add,
    Concat,
    Conv,
    Deployed,
    Flatten,
    GlobalPool,
    LayerSpec,
    Linear,
    Mul,
    Node,
    Norm,
    lower_layer,
)

Array = NDArray[np.float32]
Weights = Callable[[tuple[int, ...]], tuple[Array, Array]]
"""Gives weight and bias for a weight shape: (out, in / groups, kernel, kernel) or (out, in)."""


@dataclass
class Graph:
    """Tensor 0 is the input, node i writes tensor i + 1; the last one is the result.

    shapes: per tensor (H, W, C), or (C,). weights: weight and bias of the nodes that have them, by number of the node.
    """

    batch: int
    shapes: list[tuple[int, ...]]
    nodes: list[Deployed] = field(default_factory=list)
    weights: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def random_images(self) -> Array:
        """An input to calibrate on, (N, C, H, W), of a network whose results nobody looks at."""
        height, width, channels = self.shapes[0]
        return np.random.default_rng(0).standard_normal((self.batch, channels, height, width), dtype=np.float32)

    def is_flattened(self, index: int) -> bool:
        """Whether node `index` is a mean that is flattened at once: many runtimes have one operator for both."""
        following = self.nodes[index + 1 : index + 2]
        return isinstance(self.nodes[index], GlobalPool) and following == [Flatten(index + 1)]


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
        InputError: an operator or shapes that there are not, or a layer that does not fit the one before.
    """
    graph = Graph(batch, [layers[0].in_shape])
    for spec in layers:
        if graph.shapes[-1] != spec.in_shape:
            raise InputError(f"the layer {spec} does not fit after an output of {graph.shapes[-1]}")
        lowered, start = lower_layer(spec), len(graph.nodes)
        for node, shape in zip(lowered.nodes, lowered.shapes[1:], strict=True):
            deployed = _deployed(node)
            if isinstance(deployed, Conv | Linear):
                graph.weights[len(graph.nodes)] = weights(_weight_shape(deployed))
            graph.nodes.append(reading(deployed, start.__add__))
            graph.shapes.append(shape)
    return graph


def _deployed(node: Node) -> Deployed:
    """A BatchNorm that nothing takes in is a product and a sum for every channel, which every runtime has so."""
    if not isinstance(node, Norm):
        return node
    channels = node.out_channels
    return Conv(node.name, node.source, channels, channels, groups=channels, act=node.act)


def _weight_shape(node: Conv | Linear) -> tuple[int, ...]:
    if isinstance(node, Linear):
        return node.out_channels, node.in_channels
    return node.out_channels, node.in_channels // node.groups, node.kernel, node.kernel


def reading(node: Deployed, number: Callable[[int], int]) -> Deployed:
    """The node where the tensors that it reads have other numbers."""
    if isinstance(node, Concat):
        return Concat(tuple(map(number, node.sources)))
    if isinstance(node, Add | Mul):
        return replace(node, source=number(node.source), other=number(node.other))
    return replace(node, source=number(node.source))
