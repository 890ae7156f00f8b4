"""`proxyless rank`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, print_table, reporting
from proxyless.cli.early import check_there
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Jobs, Json, Output
from proxyless.train.config import TrainSettings


@command
@with_flags(flags_of(TrainSettings, but=["compile"], more={"seed": ", of the first training"}))
def rank(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="The folder of a finished search; several: to compare how they rank."),
    ],
    output: Output,
    nets: Annotated[int, typer.Option(help="Random networks of about equal latency to train.")] = 24,
    repeats: Annotated[int, typer.Option(help="Of them are trained a second time, with another seed.")] = 6,
    jobs: Jobs = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Tell whether a search's weights rank networks of equal latency as training each of them alone does.

    Run again, it goes on; other searches of the same are compared by the same networks.

    Example: `proxyless rank run --nets 24 --epochs 30 -o ranking`
    """
    settings = TrainSettings.make("training settings", **flags)
    check_there("run", runs)
    from proxyless.workflow.rank import rank as rank_networks

    with reporting(f"rank {' '.join(map(str, runs))}", "steps") as reporter:
        document = rank_networks(runs, output, settings, nets=nets, repeats=repeats, jobs=jobs, reporter=reporter)
    if json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    rows = [
        [run, _number(found["kendall"]), _number(found["spearman"])] for run, found in document["supernets"].items()
    ]
    title = f"{document['nets']} networks of {document['budget_ms']:.4g} ms, ranked by shared weights and trained alone"
    print_table(title, ("weights of", "Kendall", "Spearman"), rows)
    chance = next(iter(document["supernets"].values()))["kendall_by_chance"]
    networks, seeds, ceiling = (document["spread"][name] for name in ("networks", "seeds", "ceiling"))
    OUT.print(
        f"Kendall's would be 0 ± {chance:.2f} by chance; standard deviations of the test accuracy: "
        f"{100 * networks:.2f} points between networks, {100 * seeds:.2f} between trainings of one: the true order "
        f"would have a correlation of about {ceiling:.2f}",
    )
    OUT.print(document["advice"])


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"
