"""`proxyless search`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyless.cli.console import OUT, command, plural, print_json, print_table, reporting
from proxyless.cli.options import Data, Json, Limit, Output, Resume, SpaceName
from proxyless.search.config import SearchSettings

if TYPE_CHECKING:
    from proxyless.space import Architecture
    from proxyless.space.latency import LayerCosts

_help = SearchSettings.field_help

_LOOSE = 0.8
"""A network that needs less than this share of the budget was not constrained by it."""


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
    from latency.tables import load_table

    loaded = load_table(table)

    from proxyless.api.search import search as search_folder
    from proxyless.api.search import table_space

    built = table_space(space, loaded)
    with reporting(f"search {space} on {data}", "steps") as reporter:
        architecture = search_folder(built, data, loaded, budget, output, settings, resume=resume, reporter=reporter)
    if json:
        print_json(architecture.document())
    else:
        _print(architecture, loaded.costs(built), output / "architecture.json")


def _print(architecture: "Architecture", costs: "LayerCosts", path: Path) -> None:
    """One line per fact about a derived network."""
    target, cost = architecture.target, architecture.cost
    assert target is not None
    allowed_ms = costs.bound_ms(target.budget_ms)
    rows = [
        ["budget", f"{target.budget_ms:.4g} ms on {target.runtime}, {plural(target.threads, 'thread')}"],
        ["predicted", f"{target.predicted_ms:.4g} ms, at most {allowed_ms:.4g} ms with the table's margin"],
        ["the space", f"{costs.min_ms:.4g} to {costs.max_ms:.4g} ms, typical {costs.mean_ms:.4g} ms"],
        ["operations", " ".join(architecture.op_names)],
        ["size", f"{cost.params / 1e6:.3f} M parameters, {cost.macs / 1e6:.1f} M MACs"],
        ["written to", str(path)],
    ]
    print_table(f"Found a network of the space {architecture.space.name}", ("", ""), rows)
    if target.predicted_ms < _LOOSE * allowed_ms:
        OUT.print(
            f"the most probable network needs {target.predicted_ms / allowed_ms:.0%} of what the budget allows: "
            "it did not bind; a tighter one, or a longer search, may be worth a try",
            highlight=False,
        )
