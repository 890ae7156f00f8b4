"""`proxyless compare`"""

from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, print_table, reporting
from proxyless.cli.early import check_there
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Jobs, Json, Output
from proxyless.quantities import read_budget
from proxyless.train.config import TrainSettings

_FEW = 3


@command
@with_flags(flags_of(TrainSettings, but=["compile"], more={"seed": ", of the first training"}))
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="The folder of a finished search; several: of the same with other seeds."
        ),
    ],
    output: Output,
    table: Annotated[
        str | None, typer.Option(help="Compare what is derived for this table. Default: the run's own.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Compare what is derived for this latency bound. Default: the run's own.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trainings of the found network of one search, and of each uniform one.")
    ] = 3,
    nets: Annotated[int, typer.Option(help="Random networks, at least 2, trained once each.")] = 5,
    measure_on: Annotated[
        str | None,
        typer.Option(help="The device that the table was measured on, where it is not this machine: ssh://user@host."),
    ] = None,
    jobs: Jobs = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Train the found network, uniform and random ones of the same latency alike; run again, it goes on.

    Example: `proxyless compare run --seeds 5 --nets 10 -o comparison`

    Several searches: `proxyless compare run-0 run-1 run-2 -o comparison`
    """
    settings = TrainSettings.make("training settings", **flags)
    check_there("run", runs)
    if budget:
        read_budget(budget)
    from latency.tables import load_table
    from proxyless.workflow.compare import compare as compare_networks

    other = load_table(table) if table else None
    with reporting(f"compare {' '.join(map(str, runs))}", "steps") as reporter:
        document = compare_networks(
            runs,
            output,
            settings,
            table=other,
            budget=budget,
            seeds=seeds,
            nets=nets,
            device=measure_on,
            jobs=jobs,
            reporter=reporter,
        )
    if json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    columns = ("network", "predicted ms", "measured ms", "M params", "M MACs", "test accuracy", "found minus it")
    rows = [_cells(row) for row in document["rows"]]
    print_table(f"Networks within {document['budget_ms']:.4g} ms, trained alike on {document['data']}", columns, rows)
    OUT.print(
        f"uniform networks are {document['uniform']}; accuracies in %: mean, standard deviation (trainings); the "
        "difference is followed by its standard error",
    )
    if any(row["trainings"] < _FEW for row in document["rows"]):
        OUT.print("two trainings say next to nothing about their spread: use more --seeds, --nets and runs")
    uniform = [row for row in document["left_out"] if row != "random"]
    if uniform:
        OUT.print(f"none within the budget: {', '.join(uniform)}")
    if "random" in document["left_out"]:
        OUT.print("no two random networks use what the bounds allow: none were trained")
    OUT.print(document["verdict"])


def _cells(row: dict[str, Any]) -> list[str]:
    networks = row["networks"]
    (width,) = {network["width_mult"] for network in networks}
    name = row["row"] if width == 1 else f"{row['row']}, width {width:g}"
    deviation, error = (_percent(row[key]) for key in ("standard_deviation", "standard_error"))
    return [
        f"{name}, {len(networks)} networks" if len(networks) > 1 else name,
        _mean([network["predicted_ms"] for network in networks], "{:.4g}"),
        _mean([network["measured_ms"] for network in networks], "{:.4g}"),
        _mean([network["params"] / 1e6 for network in networks], "{:.3f}"),
        _mean([network["macs"] / 1e6 for network in networks], "{:.2f}"),
        f"{_percent(row['mean'])} ± {deviation} ({row['trainings']})",
        "" if row["row"] == "found" else f"{100 * row['found_minus_this']:+.2f} ± {error}",
    ]


def _mean(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(mean(known)) if known else ""


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.2f}"
