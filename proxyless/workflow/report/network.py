"""The chosen network, layer by layer, with what each layer costs."""

from collections.abc import Iterator, Sequence
from math import exp

from latency.table import LatencyTable
from proxyless.ops.cost import Cost
from proxyless.report.content import Answer, LayerRow
from proxyless.search.result import SearchResult
from proxyless.space import SKIP, Architecture, LayerSpec, Shape, layer_cost
from proxyless.space.memory import peak_bytes


def describe_network(
    architecture: Architecture, table: LatencyTable | None, result: SearchResult | None, source: str
) -> Answer:
    """The network with the milliseconds of a table, as far as it has the rows, and the probabilities of a search.

    source: the file that it was read from.
    """
    cost, layers = architecture.cost, architecture.layers
    known = table is not None and all(map(table.has, layers))
    total_ms = table.predict(layers) if table and known else None
    return Answer(
        source=source,
        ops=architecture.ops,
        params=cost.params,
        macs=cost.macs,
        peak_memory_bytes=peak_bytes(layers),
        table=table.label if table else None,
        overhead_ms=table.overhead_ms if table else None,
        predicted_ms=total_ms,
        layers=list(_rows(architecture, table, total_ms, _probabilities(architecture, result))),
    )


def _rows(
    architecture: Architecture,
    table: LatencyTable | None,
    total_ms: float | None,
    probabilities: Sequence[float | None],
) -> Iterator[LayerRow]:
    space = architecture.space
    path = space.ops_path(architecture.ops)
    live = set(space.live(path))
    searched = {id(slot): decision for decision, slot in space.searched}
    shape = space.slots[0].layers[0].in_shape
    for slot in space.slots:
        spec, decision = slot.spec(path), searched.get(id(slot))
        op = None if decision is None or decision not in live else architecture.ops[decision]
        probability = None if op is None or decision is None else probabilities[decision]
        if spec is None:
            yield _skip(shape, op, probability)
        else:
            yield _row(spec, op or _kind(spec), op, table, total_ms, probability)
            shape = spec.out_shape


def _row(
    spec: LayerSpec,
    name: str,
    choice: str | None,
    table: LatencyTable | None,
    total_ms: float | None,
    probability: float | None,
) -> LayerRow:
    ms = table.lookup(spec) if table and table.has(spec) else None
    cost = layer_cost(spec)
    return LayerRow(
        name=name,
        choice=choice,
        kernel=spec.kernel,
        expand=spec.expand,
        in_shape=spec.in_shape,
        out_shape=spec.out_shape,
        stride=spec.stride,
        params=cost.params,
        macs=cost.macs,
        ms=ms,
        share=ms / total_ms if ms is not None and total_ms else None,
        probability=probability,
    )


def _skip(shape: Shape, op: str | None, probability: float | None) -> LayerRow:
    """The identity: it costs nothing, in no file is there anything of it."""
    cost = Cost()
    return LayerRow(
        name=SKIP,
        choice=op,
        kernel=0,
        expand=0,
        in_shape=shape,
        out_shape=shape,
        stride=1,
        params=cost.params,
        macs=cost.macs,
        ms=0.0,
        share=0.0,
        probability=probability,
    )


def _kind(spec: LayerSpec) -> str:
    if spec.op == "mbconv":
        return f"k{spec.kernel}e{spec.expand:.3g}"
    return f"conv k{spec.kernel}" if spec.op == "conv" else spec.op


def _probabilities(architecture: Architecture, result: SearchResult | None) -> list[float | None]:
    """Of the chosen operations; None for what was not searched."""
    if result is None or result.space != architecture.space.name or len(result.ops) != len(architecture.ops):
        return [None] * len(architecture.ops)
    rows = zip(result.ops, result.log_probs, architecture.ops, strict=True)
    return [exp(values[names.index(op)]) if op in names else None for names, values, op in rows]
