"""A graph without the numbers that convolutions can take up, as the LiteRT converter folds them."""

from collections import Counter
from dataclasses import replace

import numpy as np

from latency.writers.graph import Graph, reading
from proxyless.ops import Act, Affine, Conv, Linear, Node


def folded(graph: Graph) -> Graph:
    """The same results: what is multiplied, added or activated right behind a convolution is part of it, and so is what
    is multiplied and added right before one of a single pixel. Only where nothing else reads what is between them."""
    folding = _Folding(graph)
    for index in range(len(graph.nodes)):
        folding.add(index)
    return folding.made


class _Folding:
    """numbers: of the tensors of the graph in the one that is made."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.made = graph, Graph(graph.batch, [graph.shapes[0]])
        self.readers = Counter(source for node in graph.nodes for source in node.sources)
        self.numbers = {0: 0}

    def add(self, index: int) -> None:
        node = self.graph.nodes[index]
        before = self._read_here_only(node)
        if isinstance(node, Act | Affine) and isinstance(before, Conv | Linear) and before.act == "none":
            self._into_last(before, node)
        else:
            scale, shift = self._take_up(node, before)
            self._append(index, scale, shift)
        self.numbers[index + 1] = len(self.made.nodes)

    def _read_here_only(self, node: Node) -> Node | None:
        """What made its only source, just before it, for no other node."""
        source = node.sources[0]
        alone = len(node.sources) == 1 and self.readers[source] == 1 and self.numbers[source] == len(self.made.nodes)
        return self.made.nodes[-1] if alone and self.made.nodes else None

    def _into_last(self, before: Conv | Linear, node: Act | Affine) -> None:
        last = len(self.made.nodes) - 1
        if isinstance(node, Act):
            self.made.nodes[last] = replace(before, act=node.act)
            return
        weight, bias = self.made.weights[last]
        scale = np.float32(node.scale)
        self.made.weights[last] = weight * scale, bias * scale + np.float32(node.shift)

    def _take_up(self, node: Node, before: Node | None) -> tuple[float, float]:
        """Removes what is multiplied and added before a node that can do it; returns both numbers."""
        pointwise = isinstance(node, Linear) or (isinstance(node, Conv) and node.kernel == 1)
        if not (pointwise and isinstance(before, Affine)):
            return 1.0, 0.0
        self.made.nodes.pop()
        self.made.shapes.pop()
        self.numbers[node.sources[0]] -= 1
        return before.scale, before.shift

    def _append(self, index: int, scale: float, shift: float) -> None:
        node = self.graph.nodes[index]
        if index in self.graph.weights:
            weight, bias = self.graph.weights[index]
            sums = weight.sum(axis=tuple(range(1, weight.ndim)))
            self.made.weights[len(self.made.nodes)] = weight * np.float32(scale), bias + np.float32(shift) * sums
        self.made.nodes.append(reading(node, self.numbers.__getitem__))
        self.made.shapes.append(self.graph.shapes[index + 1])
