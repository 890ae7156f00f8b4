"""Networks for other budgets and other targets, from a finished search."""

from collections.abc import Sequence
from pathlib import Path

from latency.table import LatencyTable
from proxyless.quantities import parse_budget
from proxyless.search.result import SearchResult, load_result
from proxyless.space import Architecture, build_space
from proxyless.space.bounds import Bound
from proxyless.workflow.search import TABLE, make_bounds
from proxyless.workflow.target import make_architecture


def derive_networks(run: Path | str, budgets: Sequence[str], table: LatencyTable | None = None) -> list[Architecture]:
    """One network per budget: the best that the search evaluated, else the most probable one.

    budgets: as for `search`; none means the budget that was searched for. table: of another target; None
    means the first one that was searched with. Limits on parameters, MACs and memory are those of the search.

    Raises:
        InputError: not a finished run, or a budget that no network meets.
    """
    result = load_result(Path(run))
    chosen = table or first_table(Path(run))
    return [
        make_architecture(result, chosen, budget_ms, bounds[0], result.derive(bounds))
        for budget_ms, bounds in budget_bounds(result, chosen, budgets)
    ]


def first_table(run: Path) -> LatencyTable:
    """The table, or the first of the tables, that a run was searched with."""
    return LatencyTable.load(run / TABLE)


def budget_bounds(
    result: SearchResult, table: LatencyTable, budgets: Sequence[str]
) -> list[tuple[float, tuple[Bound, ...]]]:
    """Per budget, its milliseconds and all bounds, that on latency first.

    Raises:
        InputError: a budget that is not understood, or that no network meets.
    """
    whole, space = build_space(result.space, result.space_args), result.build_space()
    budgets_ms = [parse_budget(text, table.costs(whole), may_hold_nothing_back=True) for text in budgets] or [
        result.budget_ms
    ]
    return [(budget_ms, make_bounds(space, [table], [budget_ms], result.limits)) for budget_ms in budgets_ms]
