"""Is the found network better than what one gets without a search, at the same latency and with the same training?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from latency.table import LatencyTable
from proxyless.config import CONFIG, Settings, changed_fields, read_yaml, write_yaml
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.fabric import check_accelerator
from proxyless.files import output_folder, write_json
from proxyless.ownership import owns_folder
from proxyless.progress import Lines, Reporter
from proxyless.search.run import load_config
from proxyless.train.config import TrainSettings
from proxyless.train.trained import TrainedInfo
from proxyless.workflow.contender_files import NETWORKS, load_contenders, save_contenders
from proxyless.workflow.contenders import Contender, Contest, open_contest
from proxyless.workflow.measured_contest import measured_contenders
from proxyless.workflow.side_by_side import check_jobs, train_seeds
from proxyless.workflow.uniform import uniform_ops

COMPARISON = "compare.json"
_BEYOND = 2
"""Standard errors by which the found network has to be better."""


class CompareConfig(Settings):
    """What was asked for. More seeds go on from what was trained: they make no other comparison."""

    found: list[str]
    others: list[list[str]] = Field([])
    table: str
    budget_ms: float
    nets: int
    data: str
    train: TrainSettings


@owns_folder
def compare(
    runs: Path | str | Sequence[Path | str],
    output: Path | str,
    settings: TrainSettings | None = None,
    *,
    table: LatencyTable | None = None,
    budget: str | None = None,
    seeds: int = 3,
    nets: int = 5,
    device: str | None = None,
    jobs: int | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Train the found network, uniform and random ones of the same latency alike; returns the document `compare/1`.

    Repeated in the same folder, it goes on where it stopped.
    runs: one search, or several of the same with other seeds, whose networks are trained once each, with a seed of its
    own. settings: of every training; its seed is the first. table, budget: as for `derive_networks`, to compare what is
    derived for them. seeds: trainings of the found network of one search, and of every uniform one. nets: random
    networks, at least 2, each trained once, with a seed of its own. device: the table's, as typed by the user, where it
    is not this machine.

    Raises:
        InputError: not a finished run, searches of different things, data that are gone, or a folder with another
            comparison.
        CheckError: a device failed, or a loss became infinite.
    """
    _check_counts(seeds, nets)
    settings, folder, reporter = settings or TrainSettings(), Path(output), reporter or Lines("compare")
    at_once = check_jobs(jobs, settings.device)
    check_accelerator(settings.device)
    folders = [Path(runs)] if isinstance(runs, (Path, str)) else [Path(run) for run in runs]
    contest, searched = open_contest(folders, table, budget, device), load_config(folders[0])
    if settings.limit is None:
        settings = settings.model_copy(update={"limit": searched.search.limit})
    config = CompareConfig(
        found=contest.found.ops,
        others=[other.found.ops for other in contest.others],
        table=f"{contest.table.label}, table of {contest.table.created}",
        budget_ms=contest.budget_ms,
        nets=nets,
        data=searched.data,
        train=settings,
    )
    # Refused before anything is written.
    load_data(config.data, contest.found.resolution, settings.limit, searched.classes)
    if not (folder / NETWORKS).exists():
        contest.place()
    _open(folder, config)
    contenders = _contenders(folder, contest, nets, settings.seed, reporter)
    trained = _train_all(folder, contenders, config, seeds, at_once, reporter)
    document = _document(config, contenders, trained)
    write_json(folder / COMPARISON, document)
    return document


def _check_counts(seeds: int, nets: int) -> None:
    if seeds < 1:
        raise InputError(f"the number of seeds must be at least 1, got {seeds}")
    if nets < 2:
        raise InputError(f"the number of random networks must be at least 2, for there is no spread of {nets}")


def _open(folder: Path, config: CompareConfig) -> None:
    path = folder / CONFIG
    before = read_yaml(path, CompareConfig) if path.exists() else config
    if len(before.others) != len(config.others):
        raise InputError(
            f"{folder} holds a comparison of {1 + len(before.others)} searches, not {1 + len(config.others)}; choose "
            "another folder"
        )
    changed = changed_fields(before, config)
    if changed:
        raise InputError(f"{folder} holds a comparison with another {', '.join(changed)}; choose another folder")
    output_folder(folder)
    write_yaml(path, config)


def _contenders(folder: Path, contest: Contest, nets: int, seed: int, reporter: Reporter) -> list[Contender]:
    """Those that an interrupted comparison has written already, else new ones."""
    if not (folder / NETWORKS).exists():
        reporter.progress(0, 1, "choose and measure networks")
        device = contest.place()
        chosen = (
            contest.predicted_contenders(nets, seed)
            if device is None
            else measured_contenders(contest, device, nets, seed)
        )
        save_contenders(folder, chosen)
    return load_contenders(folder)


def _train_all(
    folder: Path, contenders: Sequence[Contender], config: CompareConfig, seeds: int, at_once: int, reporter: Reporter
) -> dict[str, list[TrainedInfo]]:
    """By network. Those that are numbered are draws, of random networks or of searches, and are trained once each:
    their spread is that of networks and seeds together."""
    first, seeded = config.train.seed, dict[Path, list[int]]()
    for contender in contenders:
        number = contender.number
        own = range(seeds) if number is None else [number - 1]
        seeded[folder / contender.name] = [first + offset for offset in own]
    trained = train_seeds(seeded, config.data, config.train, at_once, reporter)
    return {place.name: infos for place, infos in trained.items()}


def _document(
    config: CompareConfig, contenders: Sequence[Contender], trained: dict[str, list[TrainedInfo]]
) -> dict[str, Any]:
    measured = contenders[0].measured_ms is not None
    found = [contender for contender in contenders if contender.group == "found"]
    everywhere = uniform_ops(found[0].architecture.space)
    rows: dict[str, list[Contender]] = {}
    for contender in contenders:
        rows.setdefault(contender.name if contender.number is None else contender.group, []).append(contender)
    accuracies = {
        row: [info.test_accuracy for contender in members for info in trained[contender.name]]
        for row, members in rows.items()
    }
    document: dict[str, Any] = {
        "format": "compare/1",
        **config.model_dump(mode="json"),
        "found": list(found[0].architecture.ops),
        "others": [list(each.architecture.ops) for each in found[1:]],
        "uniform": "scaled in width, measured" if measured else "scaled in depth, by the table's prediction",
        "left_out": [row for row in (*(f"uniform-{op}" for op in everywhere), "random") if row not in rows],
        "rows": [
            {
                "row": row,
                "networks": [
                    {**member.document(), "trainings": [_accuracies(info) for info in trained[member.name]]}
                    for member in members
                ],
                **summary(accuracies["found"], accuracies[row]),
            }
            for row, members in rows.items()
        ],
    }
    return {**document, "verdict": verdict(document["rows"])}


def verdict(rows: Sequence[dict[str, Any]]) -> str:
    """Whether the search paid, in one sentence, with the network to take where it did not."""
    rivals = [row for row in rows if row["row"] != "found"]
    if not rivals:
        return "nothing else keeps the budget: there is nothing to compare the found network with"
    best = max(rivals, key=lambda row: float(row["mean"]))
    points, error = 100 * best["found_minus_this"], best["standard_error"]
    without = "the random networks" if best["row"] == "random" else best["row"]
    if error is None:
        return f"{points:+.2f} points to {without}, the best without a search, from single trainings: use more --seeds"
    margin = f"{points:+.2f} ± {100 * error:.2f} points from {without}, the best without a search"
    if points > _BEYOND * 100 * error:
        return f"the search paid: the found network is {margin}"
    instead = "a random network" if best["row"] == "random" else best["row"]
    if points < -_BEYOND * 100 * error:
        return f"the search did not pay: the found network is {margin}; take {instead} instead, or search longer"
    return (
        f"whether the search paid cannot be told: the found network is {margin}; more --seeds tell more, and until "
        f"then {instead} is as good"
    )


def _accuracies(info: TrainedInfo) -> dict[str, float]:
    return {"validation_accuracy": info.validation_accuracy, "test_accuracy": info.test_accuracy}


def summary(found: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation of `other`, and by how much `found` is above it, with the standard error.

    The error is that of a difference of two independent means with unequal variances (Welch 1947); None where either
    has a single value.
    """
    both = len(found) > 1 and len(other) > 1
    error = float(np.sqrt(sum(np.var(values, ddof=1) / len(values) for values in (found, other)))) if both else None
    return {
        "mean": float(np.mean(other)),
        "standard_deviation": float(np.std(other, ddof=1)) if len(other) > 1 else None,
        "trainings": len(other),
        "found_minus_this": float(np.mean(found) - np.mean(other)),
        "standard_error": error,
    }
