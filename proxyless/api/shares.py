"""Where the milliseconds of a network go."""

from dataclasses import dataclass

from latency.table import LatencyTable
from proxyless.space import Architecture

_MOST = 1 / 3
"""Of the whole: a layer that takes more deserves a second look."""


@dataclass(frozen=True)
class LayerLatency:
    """What a searched layer takes. layer: from 1. cheapest_ms: of its other operations but the skip, the quickest."""

    layer: int
    op: str
    ms: float
    share: float
    cheapest_op: str
    cheapest_ms: float


def layer_latencies(architecture: Architecture, table: LatencyTable) -> list[LayerLatency]:
    """Of every searched layer, in order; what is not in them every network of the space takes.

    Raises:
        InputError: the table lacks a row.
    """
    space, total_ms = architecture.space, table.predict(architecture.layers)
    layers = []
    for number, (layer, op) in enumerate(zip(space.layers, architecture.ops, strict=True), 1):
        costs_ms = {each.name: table.lookup(spec) for each in layer.ops if (spec := layer.spec(each)) is not None}
        ms = costs_ms.get(op.name, 0.0)
        cheapest = min(costs_ms, key=costs_ms.__getitem__)
        layers.append(LayerLatency(number, op.name, ms, ms / total_ms, cheapest, costs_ms[cheapest]))
    return layers


def latency_warnings(architecture: Architecture, table: LatencyTable) -> list[str]:
    """One sentence for every layer that takes more than a third of the network's milliseconds."""
    return [
        f"layer {layer.layer} ({layer.op}) takes {layer.share:.0%} of the {layer.ms / layer.share:.3g} ms, "
        f"{layer.ms:.3g} ms, where {layer.cheapest_op} would take {layer.cheapest_ms:.3g} ms; compare the network with "
        "one without it before it is deployed"
        for layer in layer_latencies(architecture, table)
        if layer.share > _MOST
    ]
