"""`proxyless search`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyless.cli.console import command, print_json, print_table, reporting
from proxyless.cli.options import Data, Json, Limit, Output, Resume, SpaceName
from proxyless.cli.target import make_target, parse_budget
from proxyless.errors import InputError
from proxyless.search.config import SearchSettings

if TYPE_CHECKING:
    from latency.table import LatencyTable
    from proxyless.space import Architecture, Space

_help = SearchSettings.field_help


@command
def search(
    output: Output,
    space: SpaceName,
    data: Data,
    table: Annotated[str, typer.Option(help="Latency table: a file, or the name of a shipped one.")],
    budget: Annotated[str, typer.Option(help="Latency bound: 15ms, 800us, or 60% of the largest network.")],
    strategy: Annotated[str | None, typer.Option(help=_help("strategy"))] = None,
    gates: Annotated[str | None, typer.Option(help=_help("gates"))] = None,
    warmup_epochs: Annotated[int | None, typer.Option(help=_help("warmup_epochs"))] = None,
    epochs: Annotated[int | None, typer.Option(help=_help("epochs"))] = None,
    batch_size: Annotated[int | None, typer.Option(help=_help("batch_size"))] = None,
    lr: Annotated[float | None, typer.Option(help=_help("lr"))] = None,
    arch_lr: Annotated[float | None, typer.Option(help=_help("arch_lr"))] = None,
    arch_every: Annotated[int | None, typer.Option(help=_help("arch_every"))] = None,
    held_out: Annotated[float | None, typer.Option(help=_help("held_out"))] = None,
    seed: Annotated[int | None, typer.Option(help=_help("seed"))] = None,
    device: Annotated[str | None, typer.Option(help=_help("device"))] = None,
    precision: Annotated[str | None, typer.Option(help=_help("precision"))] = None,
    limit: Limit = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Search the most accurate network of a space within a latency budget.

    Example: `proxyless search --space tiny --data digits --table phone.json --budget 2ms -o run`
    """
    settings = SearchSettings.make(
        "search settings",
        strategy=strategy,
        gates=gates,
        warmup_epochs=warmup_epochs,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        arch_lr=arch_lr,
        arch_every=arch_every,
        held_out=held_out,
        seed=seed,
        device=device,
        precision=precision,
        limit=limit,
    )
    architecture = search_in_folder(output, space, data, table, budget, settings, resume)
    if json:
        print_json(architecture.document())
    else:
        print_architecture("Found", architecture, output / "architecture.json")


def table_space(name: str, table: "LatencyTable", table_name: str) -> "Space":
    """The space of a table, or the default one for a published table, which has none of its own."""
    from proxyless.space import build_space

    if table.space is None:
        return build_space(name)
    if table.space.name != name:
        raise InputError(
            f"the latency table {table_name} was made for the space {table.space.name!r}, not {name!r}; "
            "profile this space, or search that one"
        )
    return build_space(table.space.name, table.space.args)


def search_in_folder(
    folder: Path, space_name: str, source: str, table_name: str, budget: str, settings: SearchSettings, resume: bool
) -> "Architecture":
    """Search in a folder and write the architecture there; what can be refused is refused before training."""
    from latency.tables import load_table
    from proxyless.search.strategies import find_strategy

    table = load_table(table_name)
    space = table_space(space_name, table, table_name)
    costs = table.costs(space)
    budget_ms = parse_budget(budget, costs)
    find_strategy(settings.strategy)

    from proxyless.data import load_data
    from proxyless.search.loop import Problem
    from proxyless.search.run import TABLE, RunConfig, derive, run_search

    problem = Problem(space, load_data(source, space.resolution, settings.limit), costs, budget_ms)
    config = RunConfig(
        space=space.name,
        space_args=dict(space.args),
        data=problem.data.source,
        target=f"{table.target}, table of {table.created}",
        budget_ms=budget_ms,
        search=settings,
    )
    with reporting(f"search {space.name} on {source}", "steps") as reporter:
        result = run_search(folder, config, problem, reporter, resume)
    table.save(folder / TABLE)
    architecture = derive(result, costs, make_target(table, budget_ms))
    architecture.save(folder / "architecture.json")
    return architecture


def print_architecture(verb: str, architecture: "Architecture", path: Path) -> None:
    """One line per fact about a derived network."""
    target, cost = architecture.target, architecture.cost
    assert target is not None
    rows = [
        ["budget", f"{target.budget_ms:.4g} ms on {target.runtime}, {target.threads} thread(s)"],
        ["predicted", f"{target.predicted_ms:.4g} ms"],
        ["operations", " ".join(architecture.op_names)],
        ["size", f"{cost.params / 1e6:.3f} M parameters, {cost.macs / 1e6:.1f} M MACs"],
        ["written to", str(path)],
    ]
    print_table(f"{verb} a network of the space {architecture.space.name}", ("", ""), rows)
