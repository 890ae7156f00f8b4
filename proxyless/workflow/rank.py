"""Does a supernet rank networks as training them alone does? And do networks of one latency differ at all?"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from proxyless.config import CONFIG, Settings, changed_fields, read_yaml, write_yaml
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.fabric import check_accelerator
from proxyless.files import output_folder, write_json
from proxyless.ownership import owns_folder
from proxyless.progress import Lines, Reporter
from proxyless.search.result import load_result
from proxyless.search.run import RunConfig, load_config, load_evaluator
from proxyless.search.worth import Worth
from proxyless.space import Architecture
from proxyless.train.config import TrainSettings
from proxyless.train.trained import ARCHITECTURE
from proxyless.workflow.contenders import open_contest
from proxyless.workflow.side_by_side import check_jobs, train_seeds

RANKING = "rank.json"
_FEWEST = 4
_EMPTY, _POOR, _GOOD = 0.002, 0.3, 0.5
_CLEAR = 0.7
"""A spread of accuracies below which a space holds nothing, and correlations that are of no use, or of some."""


class RankConfig(Settings):
    """What was asked for, resolved."""

    table: str
    budget_ms: float
    data: str
    nets: int
    repeats: int
    train: TrainSettings


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the test accuracy: between trainings of one network, and between networks without that."""

    seeds: float
    networks: float

    @property
    def ceiling(self) -> float:
        """The correlation that the true order would have with one training of each network: no supernet can be expected
        to do better."""
        total = self.networks**2 + self.seeds**2
        return math.sqrt(self.networks**2 / total) if total else 0.0


@owns_folder
def rank(
    runs: Sequence[Path | str],
    output: Path | str,
    settings: TrainSettings | None = None,
    *,
    nets: int = 24,
    repeats: int = 6,
    jobs: int | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Train random networks of about equal latency by themselves, and have the weights of searches rank them; returns
    the document `rank/1`.

    Repeated in the same folder, it goes on where it stopped; other runs of the same space, budget and data are compared
    by the same networks. settings: of every training. repeats: of the networks are trained once more, with another
    seed. jobs: trainings at once.

    Raises:
        InputError: not finished searches of the same, too few networks, or a folder with something else.
        CheckError: a loss became infinite.
    """
    _check_counts(nets, repeats)
    settings, folder, reporter = settings or TrainSettings(), Path(output), reporter or Lines("rank")
    at_once = check_jobs(jobs, settings.device)
    check_accelerator(settings.device)
    folders = [Path(run) for run in runs]
    searched = _same(folders)
    contest = open_contest(folders[:1], None, None)
    settings = settings if settings.limit else settings.model_copy(update={"limit": searched.search.limit})
    networks = contest.random(nets, settings.seed, contest.bounds)
    if len(networks) < nets:
        raise InputError(f"only {len(networks)} networks were found near the budget, not {nets}; ask for fewer --nets")
    # Refused before anything is written.
    load_data(searched.data, networks[0].resolution, settings.limit, searched.classes)
    config = RankConfig(
        table=f"{contest.table.label}, table of {contest.table.created}",
        budget_ms=contest.budget_ms,
        data=searched.data,
        nets=nets,
        repeats=repeats,
        train=settings,
    )
    _open(folder, config, networks)
    worths = {str(run): _evaluate(run, networks, reporter) for run in folders}
    accuracies = _train(folder, networks, config, at_once, reporter)
    document = ranking_document(config, networks, accuracies, worths)
    write_json(folder / RANKING, document)
    return document


def _check_counts(nets: int, repeats: int) -> None:
    if nets < _FEWEST:
        raise InputError(f"--nets must be at least {_FEWEST}, got {nets}: fewer have no order worth the name")
    if not 2 <= repeats <= nets:
        raise InputError(f"--repeats must be from 2 to the number of networks, {nets}, got {repeats}")


def _same(runs: Sequence[Path]) -> RunConfig:
    """What the first of the searches was asked for.

    Raises:
        InputError: another was of another space, data or budget.
    """
    first, *others = [load_config(run) for run in runs]
    asked = ("space", "space_args", "data", "targets", "limits")
    for run, config in zip(runs[1:], others, strict=True):
        different = [name for name in asked if getattr(config, name) != getattr(first, name)]
        if different:
            raise InputError(f"the search in {run} has another {', '.join(different)} than the first; rank it alone")
    return first


def _open(folder: Path, config: RankConfig, networks: Sequence[Architecture]) -> None:
    """Write what was asked for, and the networks."""
    path = folder / CONFIG
    if path.exists():
        changed = changed_fields(read_yaml(path, RankConfig), config)
        if changed:
            raise InputError(f"{folder} holds a ranking with another {', '.join(changed)}; choose another folder")
    for number, network in enumerate(networks):
        place = _place(folder, number) / ARCHITECTURE
        if place.exists() and Architecture.load(place).ops != network.ops:
            raise InputError(f"{folder} holds a ranking of other networks; choose another folder")
    output_folder(folder)
    write_yaml(path, config)
    for number, network in enumerate(networks):
        network.save(_place(folder, number) / ARCHITECTURE)


def _place(folder: Path, number: int) -> Path:
    return folder / f"network-{number + 1}"


def _evaluate(run: Path, networks: Sequence[Architecture], reporter: Reporter) -> list[Worth]:
    """With the weights of a search, on the images that it held out."""
    result = load_result(run)
    evaluator, worths = load_evaluator(run, result), []
    for done, network in enumerate(networks):
        reporter.progress(done, len(networks), f"networks with the weights of {run}")
        worths.append(evaluator.evaluate(result.path(network)))
    return worths


def _train(
    folder: Path, networks: Sequence[Architecture], config: RankConfig, at_once: int, reporter: Reporter
) -> list[list[float]]:
    """Test accuracies of every network."""
    first = config.train.seed
    seeds = {
        _place(folder, number): [first, first + 1][: 1 + (number < config.repeats)] for number in range(len(networks))
    }
    trained = train_seeds(seeds, config.data, config.train, at_once, reporter)
    return [[info.test_accuracy for info in infos] for infos in trained.values()]


def spread_of(accuracies: Sequence[Sequence[float]]) -> Spread:
    """From networks of which some were trained more than once (one-way analysis of variance)."""
    within = [float(np.var(values, ddof=1)) for values in accuracies if len(values) > 1]
    seeds = float(np.mean(within))
    once = float(np.var([values[0] for values in accuracies], ddof=1))
    return Spread(float(np.sqrt(seeds)), float(np.sqrt(max(0.0, once - seeds))))


def correlation(accuracies: Sequence[float], losses: Sequence[float]) -> dict[str, float | None]:
    """How alike two orders are, from -1 to 1, with the standard error that Kendall's would have by chance alone."""
    count = len(losses)
    negative, differ = [-loss for loss in losses], np.ptp(accuracies) > 0 and np.ptp(losses) > 0
    return {
        "kendall": float(kendalltau(accuracies, negative).statistic) if differ else None,
        "spearman": float(spearmanr(accuracies, negative).statistic) if differ else None,
        "kendall_by_chance": float(np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))),
    }


def ranking_document(
    config: RankConfig,
    networks: Sequence[Architecture],
    accuracies: Sequence[Sequence[float]],
    worths: dict[str, list[Worth]],
) -> dict[str, Any]:
    """Everything that was found, and what follows from it."""
    spread, means = spread_of(accuracies), [float(np.mean(values)) for values in accuracies]
    supernets = {run: correlation(means, [worth.loss for worth in found]) for run, found in worths.items()}
    best = max((float(found["kendall"] or 0.0) for found in supernets.values()), default=0.0)
    return {
        "format": "rank/1",
        **config.model_dump(mode="json"),
        "spread": {**asdict(spread), "ceiling": spread.ceiling},
        "supernets": supernets,
        "advice": advice(spread, best),
        "networks": [
            {
                "ops": list(network.ops),
                "predicted_ms": network.target.predicted_ms if network.target else None,
                "macs": network.cost.macs,
                "test_accuracies": list(values),
                "supernets": {run: asdict(found[number]) for run, found in worths.items()},
            }
            for number, (network, values) in enumerate(zip(networks, accuracies, strict=True))
        ],
    }


def advice(spread: Spread, kendall: float) -> str:
    """What to do about it, in one sentence."""
    if spread.networks < _EMPTY or spread.networks < spread.seeds / 2:
        return (
            "networks of this latency hardly differ when they are trained alone, so that no search can win much: give "
            "the space more to choose from (widths, depths, resolutions), or ask for another budget"
        )
    if kendall < _POOR and spread.ceiling < _CLEAR:
        return (
            "trainings of one network differ as much as networks do, so that no order can be told: train for more "
            "--epochs, or on more images"
        )
    if kendall < _POOR:
        return (
            "the weights of the search do not rank these networks: search with more --epochs, and let halving choose "
            "among more --finalists"
        )
    if kendall < _GOOD:
        return "the weights of the search tell good networks from bad ones, but not well: keep halving on"
    return "the weights of the search rank these networks as training them alone does"
