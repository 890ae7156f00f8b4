"""Search in a folder, with a latency table."""

from pathlib import Path

from latency.table import LatencyTable
from proxyless.api.target import make_target, parse_budget
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.progress import Reporter, Silent
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Problem
from proxyless.search.objective import find_objective
from proxyless.search.run import TABLE, RunConfig, derive, load_result, run_search
from proxyless.search.strategies import find_strategy
from proxyless.space import Architecture, Space, build_space


def table_space(name: str, table: LatencyTable) -> Space:
    """The space of a table, or the default one for a published table, which has none of its own.

    Raises:
        InputError: the table is of another space.
    """
    if table.space is None:
        return build_space(name)
    if table.space.name != name:
        raise InputError(
            f"the latency table was made for the space {table.space.name!r}, not {name!r}; "
            "profile this space, or search that one"
        )
    return build_space(table.space.name, table.space.args)


def search(
    space: Space,
    data: str,
    table: LatencyTable,
    budget: str,
    output: Path | str,
    settings: SearchSettings | None = None,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Architecture:
    """Search the most accurate network of `space` on `data` within `budget` on the table's target.

    What can be refused is refused before anything trains. The folder `output` then holds the run, and
    its `architecture.json` what is returned.

    Raises:
        InputError: a setting, a budget, data or a folder that cannot be used.
        CheckError: a loss became infinite.
    """
    settings, folder = settings or SearchSettings(), Path(output)
    find_strategy(settings.strategy)
    find_objective(settings.objective)
    costs = table.costs(space)
    budget_ms = parse_budget(budget, costs)
    problem = Problem(space, load_data(data, space.resolution, settings.limit), costs, budget_ms)
    config = RunConfig(
        space=space.name,
        space_args=dict(space.args),
        data=problem.data.source,
        target=f"{table.target}, table of {table.created}",
        budget_ms=budget_ms,
        search=settings,
    )
    result = run_search(folder, config, problem, reporter or Silent(), resume)
    table.save(folder / TABLE)
    architecture = derive(result, costs, make_target(table, budget_ms))
    architecture.save(folder / "architecture.json")
    return architecture


def derive_networks(run: Path | str, budgets: list[str], table: LatencyTable | None = None) -> list[Architecture]:
    """Networks for other budgets, or for another target, from a finished search.

    budgets: as for `search`; none means the budget that was searched for. table: of another target; None
    means the one that was searched with.

    Raises:
        InputError: not a finished run, or a budget that no network meets.
    """
    folder = Path(run)
    result = load_result(folder)
    chosen = table or LatencyTable.load(folder / TABLE)
    costs = chosen.costs(result.build_space())
    budgets_ms = [parse_budget(text, costs) for text in budgets] or [result.budget_ms]
    return [derive(result, costs, make_target(chosen, budget_ms)) for budget_ms in budgets_ms]
