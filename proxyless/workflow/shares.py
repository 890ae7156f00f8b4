"""Where the milliseconds of a network go."""

from dataclasses import dataclass

from latency.table import LatencyTable
from proxyless.space import Architecture

_MOST = 1 / 3
"""Of the whole: a layer that takes more deserves a second look."""


@dataclass(frozen=True)
class LayerLatency:
    """What a searched layer takes. layer: from 1. cheapest: the quickest of its operations but the skip, and its
    milliseconds, where one is quicker."""

    layer: int
    op: str
    ms: float
    share: float
    cheapest: tuple[str, float] | None


def layer_latencies(architecture: Architecture, table: LatencyTable) -> list[LayerLatency]:
    """Of every searched layer, in order; what is not in them every network of the space takes.

    Raises:
        InputError: the table lacks a row.
    """
    space, total_ms = architecture.space, table.predict(architecture.layers)
    path, layers = space.ops_path(architecture.ops), []
    for number, (decision, slot) in enumerate(space.searched, 1):
        op = architecture.ops[decision]
        costs_ms = {
            name: table.lookup(spec)
            for index, name in enumerate(space.decisions[decision].choices)
            if (spec := slot.spec([*path[:decision], index, *path[decision + 1 :]])) is not None
        }
        ms = costs_ms.get(op, 0.0)
        others_ms = {name: other_ms for name, other_ms in costs_ms.items() if name != op and other_ms < ms}
        cheapest = min(others_ms.items(), key=lambda each: each[1], default=None)
        layers.append(LayerLatency(number, op, ms, ms / total_ms, cheapest))
    return layers


def latency_warnings(architecture: Architecture, table: LatencyTable) -> list[str]:
    """One sentence for every layer that takes more than a third of the network's milliseconds."""
    return [_warning(layer) for layer in layer_latencies(architecture, table) if layer.share > _MOST]


def _warning(layer: LayerLatency) -> str:
    takes = f"layer {layer.layer} ({layer.op}) takes {layer.share:.0%} of the {layer.ms / layer.share:.3g} ms"
    if layer.cheapest is None:
        return f"{takes}, and none of its operations takes less"
    name, ms = layer.cheapest
    return (
        f"{takes}, {layer.ms:.3g} ms, where {name} would take {ms:.3g} ms; compare the network with one without it "
        "before it is deployed"
    )
