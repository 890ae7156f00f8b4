"""`proxyless derive`"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyless.cli.console import ERR, command, print_json, print_table, reporting, say_warnings
from proxyless.cli.early import check_there
from proxyless.cli.options import Json, Output
from proxyless.errors import InputError
from proxyless.extras import missing
from proxyless.quantities import read_budget

if TYPE_CHECKING:
    from proxyless.workflow.gallery import GalleryNetwork


@command
def derive(
    run: Annotated[Path, typer.Argument(help="The folder of a finished search.")],
    output: Output,
    budget: Annotated[list[str] | None, typer.Option(help="Latency bound; may be given several times.")] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="Table of another target; may be given several times. Default: the run's own, or its first."),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            help="Networks per budget and table, ranked by loss on the search's held-out images with its weights. "
            "With 1 nothing is evaluated, and no images are needed. Default: 5."
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure networks around each budget on the table's device, and take the best one that keeps it then.",
        ),
    ] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="With --measure: the device that a table was measured on, where it is not this machine; repeatable."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Derive networks for other budgets, or for other devices, from one search.

    Example: `proxyless derive run --budget 2ms --budget 4ms --table other-phone.json -o networks`
    """
    check_there("run", [run])
    if measure and candidates is not None:
        raise InputError("--measure takes one network per budget and table; leave --candidates out, or --measure")
    if device and not measure:
        raise InputError("--device goes with --measure only: it names where networks are measured")
    for text in budget or []:
        read_budget(text)
    from latency.tables import load_table
    from proxyless.ownership import owned_folder
    from proxyless.workflow.gallery import derive_gallery, gallery_documents, measured_gallery, save_gallery

    tables = [load_table(name) for name in table or []]
    with owned_folder(output), reporting(f"rank networks of {run}", "networks") as reporter:
        if (output / "gallery.json").exists():
            raise InputError(f"{output} holds networks already; delete them, or choose another output")
        if measure:
            networks = measured_gallery(run, budget or [], tables, devices=device or [], reporter=reporter)
        else:
            networks = derive_gallery(
                run, budget or [], tables, 5 if candidates is None else candidates, reporter=reporter
            )
        paths = save_gallery(networks, output)
    if all(network.worth for network in networks) and missing(["matplotlib"]):
        ERR.print(
            'without pareto.png, for which matplotlib is not installed here; pip install "proxyless[report]" brings it',
            soft_wrap=True,
        )
    if json:
        documents = zip(networks, gallery_documents(networks), paths, strict=True)
        print_json([{**more, **net.architecture.document(), "path": str(path)} for net, more, path in documents])
    else:
        _print(networks, output)
    say_warnings([f"{net.file}: {warning}" for net in networks for warning in net.warnings if net.rank == 1])


def _print(networks: "Sequence[GalleryNetwork]", folder: Path) -> None:
    """Narrow enough for a terminal: the operations are in the files."""
    columns = {
        "file": [network.file for network in networks],
        "rank": [str(network.rank) for network in networks],
        "budget": [f"{network.budget_ms:.4g}" for network in networks],
        "predicted": [f"{network.predicted_ms:.4g}" for network in networks],
        "measured": [f"{network.measured_ms:.4g}" if network.measured_ms else "" for network in networks],
        "loss": [f"{network.worth.loss:.4f}" if network.worth else "" for network in networks],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    note = "; loss on held-out images with the weights of the search" if "loss" in shown else ""
    rows = [list(cells) for cells in zip(*shown.values(), strict=True)]
    print_table(f"Networks in {folder}, latencies in ms{note}", tuple(shown), rows)
