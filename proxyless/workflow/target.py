"""What a network is derived for, and the architecture with that."""

from collections.abc import Sequence

from latency.table import LatencyTable
from proxyless.search.result import SearchResult
from proxyless.space import Architecture, BudgetedTarget, build_space
from proxyless.space.bounds import Bound


def make_architecture(
    result: SearchResult,
    table: LatencyTable,
    budget_ms: float,
    latency: Bound,
    path: Sequence[int],
    measured_ms: float | None = None,
) -> Architecture:
    """The architecture of a path of the space that was searched, for the target of the table.

    latency: the bound on that target, which predicts.
    """
    target = make_target(table, budget_ms, latency.cost(path), measured_ms)
    target = target.model_copy(update={"at_chance": result.at_chance})
    return Architecture(build_space(result.space, result.space_args), result.build_space().path_ops(path), target)


def make_target(
    table: LatencyTable, budget_ms: float, predicted_ms: float, measured_ms: float | None = None
) -> BudgetedTarget:
    """What a network derived with this table is for."""
    return BudgetedTarget(
        **table.target.model_dump(),
        budget_ms=budget_ms,
        predicted_ms=predicted_ms,
        margin=table.margin,
        measured_ms=measured_ms,
        anchors=table.anchors,
    )
