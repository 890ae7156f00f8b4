"""`proxyless search`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import OUT, command, plural, print_json, print_table, reporting, say_warnings
from proxyless.cli.early import check_data
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Data, Json, Output, Resume, SpaceName, check_resumed
from proxyless.cli.strategies import strategy_flags, strategy_names
from proxyless.quantities import parse_budget, parse_quantity, read_budget
from proxyless.search.config import SearchSettings
from proxyless.space.memory import peak_bytes

if TYPE_CHECKING:
    from latency.table import LatencyTable
    from proxyless.search.result import Limits
    from proxyless.space import Architecture

_LOOSE = 0.8
"""A network that needs less than this share of the budget is not held back by it."""


@command
@with_flags([*flags_of(SearchSettings, but=["own"], more={"strategy": f": {strategy_names()}"}), *strategy_flags()])
def search(
    output: Output,
    space: SpaceName,
    data: Data,
    table: Annotated[
        list[str],
        typer.Option(help="Latency table: a file, or the name of a shipped one; several make one network for all."),
    ],
    budget: Annotated[
        list[str], typer.Option(help="Latency bound: 15ms, 800us, or 60% of the largest network; one per table.")
    ],
    max_params: Annotated[str | None, typer.Option(help="Bound on parameters, such as 4M.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="Bound on multiply-accumulates, such as 300M.")] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="Bound on the peak memory of float32 activations at batch 1, such as 2MB.")
    ] = None,
    resume: Resume = False,
    json: Json = False,
    **flags: Any,
) -> None:
    """Search the most accurate network of a space within a latency budget.

    Example: `proxyless search --space tiny --data digits --table phone.json --budget 2ms -o run`
    """
    settings = SearchSettings.make("search settings", **flags)
    check_resumed(output, resume)
    check_data(data)
    for text in budget:
        read_budget(text)
    quantities = {
        "max_params": parse_quantity(max_params) if max_params else None,
        "max_macs": parse_quantity(max_macs) if max_macs else None,
        "max_memory_bytes": parse_quantity(max_memory, "B") if max_memory else None,
    }
    from latency.tables import load_table

    loaded = [load_table(name) for name in table]  # what was refused until here was refused at once

    from proxyless.search.result import Limits
    from proxyless.workflow.search import search as search_folder
    from proxyless.workflow.search import table_space
    from proxyless.workflow.shares import latency_warnings

    built = table_space(space, loaded[0])
    limits = Limits(**quantities)
    with reporting(f"search {space} on {data}", "steps") as reporter:
        architecture = search_folder(
            built, data, loaded, budget, output, settings, limits=limits, resume=resume, reporter=reporter
        )
    if json:
        print_json(architecture.document())
    else:
        _print(architecture, loaded, budget, limits, output / "architecture.json")
        if len(loaded) == 1 and limits == Limits():
            _print_if_loose(architecture, loaded[0], settings.objective)
    for each in loaded:
        say_warnings(latency_warnings(architecture, each))


def _print(
    architecture: "Architecture", tables: "list[LatencyTable]", budgets: list[str], limits: "Limits", path: Path
) -> None:
    """One line per fact about a derived network: for every table, then of itself."""
    cost = architecture.cost
    rows = [
        *(row for table, text in zip(tables, budgets, strict=True) for row in _latency(architecture, table, text)),
        *([["limits", _limits(limits)]] if _limits(limits) else []),
        ["choices", " ".join(architecture.ops)],
        *(["milliseconds", _layers(architecture, table)] for table in tables),
        ["size", f"{cost.params / 1e6:.3f} M parameters, {cost.macs / 1e6:.1f} M MACs"],
        ["memory", f"{peak_bytes(architecture.layers) / 1e6:.3f} MB of float32 activations at the peak"],
        ["written to", str(path)],
    ]
    print_table(f"Found a network of the space {architecture.space.name}", ("", ""), rows)


def _latency(architecture: "Architecture", table: "LatencyTable", budget: str) -> list[list[str]]:
    """What one target allows, what the network needs there, and what others would."""
    costs, device = table.costs(architecture.space), table.device.name
    budget_ms = parse_budget(budget, costs)
    place = "" if device == "local" else f" on {device}"
    predicted_ms, allowed_ms = table.predict(architecture.layers), costs.bound_ms(budget_ms)
    return [
        ["budget", f"{budget_ms:.4g} ms on {table.runtime.name}{place}, {plural(table.runtime.threads, 'thread')}"],
        ["predicted", f"{predicted_ms:.4g} ms, at most {allowed_ms:.4g} ms with the table's margin"],
        ["the space", f"{costs.min_ms:.4g} to {costs.max_ms:.4g} ms, typical {costs.mean_ms:.4g} ms"],
    ]


def _layers(architecture: "Architecture", table: "LatencyTable") -> str:
    """What the operations take, in their order."""
    from proxyless.workflow.shares import layer_latencies

    return " ".join(f"{layer.ms:.3g}" for layer in layer_latencies(architecture, table))


def _limits(limits: "Limits") -> str:
    """The bounds beside latency in words; nothing where there are none."""
    parts = (
        (limits.max_params, "M parameters"),
        (limits.max_macs, "M MACs"),
        (limits.max_memory_bytes, "MB at the peak"),
    )
    return ", ".join(f"at most {value / 1e6:.4g} {unit}" for value, unit in parts if value is not None)


def _allowed_ms(architecture: "Architecture", table: "LatencyTable") -> float:
    assert architecture.target is not None
    return table.costs(architecture.space).bound_ms(architecture.target.budget_ms)


def _why_loose(architecture: "Architecture", table: "LatencyTable", objective: str) -> str:
    if objective != "constrained":
        return "the penalty asked for a cheaper one; a lower --penalty uses more"
    if table.costs(architecture.space).max_ms < _allowed_ms(architecture, table):
        return "it is more than the largest network takes, and held nothing back"
    return "the search preferred nothing that takes longer; more --epochs may decide more"


def _print_if_loose(architecture: "Architecture", table: "LatencyTable", objective: str) -> None:
    assert architecture.target is not None
    share = architecture.target.predicted_ms / _allowed_ms(architecture, table)
    if share < _LOOSE:
        OUT.print(
            f"the network needs {share:.0%} of what the budget allows: {_why_loose(architecture, table, objective)}",
        )
