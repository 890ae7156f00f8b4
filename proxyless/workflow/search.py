"""Search in a folder, with one latency table or several."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from latency.table import LatencyTable
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.fabric import check_accelerator
from proxyless.ownership import owns_folder
from proxyless.progress import Lines, Reporter
from proxyless.quantities import parse_budget
from proxyless.search.config import SearchSettings
from proxyless.search.derive import feasible_path
from proxyless.search.problem import Problem
from proxyless.search.result import Limits, SearchResult
from proxyless.search.run import RunConfig, TargetConfig, check_free, recorded_classes, run_search
from proxyless.space import Architecture, Space, build_space, check_registered, load_space
from proxyless.space.bounds import Bound, latency_bound
from proxyless.space.declared import DEFINITION, is_file
from proxyless.space.latency import LayerCosts
from proxyless.space.memory import within_memory
from proxyless.workflow.ladder import settle
from proxyless.workflow.target import make_architecture


def numbered(name: str, number: int) -> str:
    """The file of a run's table or architecture for its target of that number, from 1."""
    return f"{name}.json" if number == 1 else f"{name}.{number}.json"


_LOG = logging.getLogger(__name__)

_WIDE_MARGIN = 0.1

TABLE = numbered("table", 1)


def table_space(name: str, table: LatencyTable) -> Space:
    """The space of a table, or the default one for a published table, which has none of its own.

    Raises:
        InputError: the table is of another space.
    """
    if table.space is None:
        return load_space(name)
    space = build_space(table.space.name, table.space.args)
    if not is_file(name) and name != space.name:
        raise InputError(
            f"the latency table was made for the space {space.name!r}, not {name!r}; "
            "profile this space, or search that one"
        )
    if is_file(name):
        arguments = {key: value for key, value in space.args.items() if key != DEFINITION}
        if load_space(name, arguments).fingerprint != space.fingerprint:
            raise InputError(
                f"the latency table was made for another definition of the space {space.name!r} than {name} has now; "
                "profile it again"
            )
    return space


@owns_folder
def search(
    space: Space,
    data: str,
    table: LatencyTable | Sequence[LatencyTable],
    budget: str | Sequence[str],
    output: Path | str,
    settings: SearchSettings | None = None,
    *,
    limits: Limits | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Architecture:
    """Search the most accurate network of `space` on `data` within `budget` on the table's target.

    table, budget: several of both make one network that keeps every budget on its target. What can be
    refused is refused before anything trains, most of it before images are read. The folder `output` then
    holds the run, and its `architecture.json` what is returned; with several tables, `architecture.2.json` and
    so on are the same network for the other targets.

    Raises:
        InputError: a setting, a budget, data or a folder that cannot be used.
        CheckError: a loss became infinite.
    """
    settings, limits, folder = settings or SearchSettings(), limits or Limits(), Path(output)
    check_registered(space)
    tables = [table] if isinstance(table, LatencyTable) else list(table)
    budgets_ms = _budgets_ms(space, tables, [budget] if isinstance(budget, str) else budget)
    searched = limited_space(space, limits)
    bounds = make_bounds(searched, tables, budgets_ms, limits)
    feasible_path(bounds)
    check_accelerator(settings.device)
    check_free(folder, resume)
    known = recorded_classes(folder, RunConfig)
    problem = Problem(searched, load_data(data, searched.resolution, settings.limit, known), bounds)
    targets = zip(tables, budgets_ms, strict=True)
    config = RunConfig(
        space=space.name,
        space_args=dict(space.args),
        data=problem.data.source,
        classes=list(problem.data.classes),
        targets=[TargetConfig(table=f"{t.label}, table of {t.created}", budget_ms=ms) for t, ms in targets],
        limits=limits,
        search=settings,
    )
    reporter = reporter or Lines("search")
    result = run_search(
        folder,
        config,
        problem,
        reporter,
        resume,
        partial(settle, folder, problem.data.source, bounds, settings, reporter),
    )
    return _save(result, tables, budgets_ms, bounds, folder)


def _budgets_ms(space: Space, tables: Sequence[LatencyTable], budgets: Sequence[str]) -> list[float]:
    if not tables:
        raise InputError("a search needs a latency table and a budget, got none; 'proxyless profile' makes a table")
    if len(tables) != len(budgets):
        raise InputError(f"every latency table needs its budget, got {len(tables)} and {len(budgets)}; give one each")
    dtypes = list(dict.fromkeys(table.dtype for table in tables))
    if len(dtypes) > 1:
        raise InputError(
            f"the latency tables are of {' and '.join(dtypes)} networks, and one network is searched; give tables of "
            "one dtype"
        )
    return [parse_budget(text, table.costs(space)) for table, text in zip(tables, budgets, strict=True)]


def limited_space(space: Space, limits: Limits) -> Space:
    """The part of the space whose networks keep the limit on memory.

    Raises:
        InputError: there is none.
    """
    return space if limits.max_memory_bytes is None else within_memory(space, limits.max_memory_bytes)


def make_bounds(
    space: Space, tables: Sequence[LatencyTable], budgets_ms: Sequence[float], limits: Limits
) -> tuple[Bound, ...]:
    """One bound per table, then those of the limits, for a space or the part of it that keeps a limit on memory.

    Raises:
        InputError: no network keeps one of them.
    """
    for table in tables:
        _say_margin(table)
    several = [f"latency {number} on {table.label}" for number, table in enumerate(tables, 1)]
    names = ["latency"] if len(tables) == 1 else several
    triples = zip(tables, budgets_ms, names, strict=True)
    return (*(latency_bound(searched_costs(t, space), ms, name) for t, ms, name in triples), *limits.bounds(space))


def _say_margin(table: LatencyTable) -> None:
    """A budget is kept with the table's margin to spare: where it is wide, much of the budget is given away."""
    if table.margin > _WIDE_MARGIN:
        _LOG.info(
            "the table of %s errs by up to %.0f %%, and so much of the budget is left free; profile again on a quiet "
            "machine or with more --rounds, or take the stopwatch: derive --measure",
            table.label,
            100 * table.margin,
        )


def searched_costs(table: LatencyTable, space: Space) -> LayerCosts:
    """The cost model of a space, or of the part of it that keeps a limit on memory.

    Raises:
        InputError: the table lacks a row, or was made for another version of the space.
    """
    whole = build_space(space.name, space.args)
    pairs = zip(whole.decisions, space.decisions, strict=True)
    kept = [[decision.choices.index(choice) for choice in part.choices] for decision, part in pairs]
    return table.costs(whole).restricted(kept)


def _save(
    result: SearchResult,
    tables: Sequence[LatencyTable],
    budgets_ms: Sequence[float],
    bounds: Sequence[Bound],
    folder: Path,
) -> Architecture:
    path = result.derive(bounds)
    architectures = [
        make_architecture(result, table, budget_ms, latency, path)
        for table, budget_ms, latency in zip(tables, budgets_ms, bounds, strict=False)  # other bounds follow
    ]
    for number, (table, architecture) in enumerate(zip(tables, architectures, strict=True), 1):
        table.save(folder / numbered("table", number))
        architecture.save(folder / numbered("architecture", number))
    return architectures[0]
