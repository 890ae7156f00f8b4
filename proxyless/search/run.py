"""A run: the folder with everything of one search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from proxyless.checkpoint import check_state, load_checkpoint
from proxyless.config import CONFIG, Settings, changed_fields, read_yaml, write_yaml
from proxyless.data import ImageData, load_data
from proxyless.environment import Environment
from proxyless.errors import InputError
from proxyless.execution import Choice, load_choice, save_choice
from proxyless.fabric import make_fabric
from proxyless.files import output_folder, write_json, write_lines
from proxyless.nn import SuperNet
from proxyless.processes import is_first
from proxyless.progress import Record, Reporter
from proxyless.search.board import BOARD, BoardReporter
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem, check_classes
from proxyless.search.result import (
    CHECKPOINT,
    ENVIRONMENT,
    LOG,
    RESULT,
    Limits,
    SearchResult,
    best_evaluated,
    check_run,
    load_result,
)
from proxyless.search.shared import SharedEvaluator, divide_training
from proxyless.space import Space
from proxyless.space.architecture import Milliseconds
from proxyless.tuning import fixed_execution, usable


class TargetConfig(Settings):
    """A latency table that was searched with, in words, and its budget."""

    table: str
    budget_ms: Milliseconds


class DataConfig(Settings):
    """Of whatever learns from data. classes: their names, in the order of a network's outputs."""

    data: str
    classes: list[str]


class RunConfig(DataConfig):
    """What was asked for, resolved: saved in the run, and compared when it is resumed."""

    space: str
    space_args: dict[str, Any]
    targets: list[TargetConfig]
    limits: Limits
    search: SearchSettings


class LoggingReporter:
    """Writes the log of epochs beside passing everything on."""

    def __init__(self, path: Path, history: list[Record], inner: Reporter) -> None:
        self.path, self.history, self.inner = path, history, inner

    def progress(self, done: int, total: int, status: str) -> None:
        self.inner.progress(done, total, status)

    def epoch(self, record: Record) -> None:
        self.write()
        self.inner.epoch(record)

    def write(self) -> None:
        """All epochs so far; after a resume also one that was saved just before the run was killed."""
        write_lines(self.path, self.history)


def check_free(folder: Path, resume: bool) -> None:
    """Raise InputError when the folder is in use and `resume` was not asked for, or there is nothing to resume from.

    Of several processes the first one looks: the folder of the others may be on another machine.
    """
    if not is_first():
        return
    if not (folder / CHECKPOINT).exists() and (folder / RESULT).exists():
        raise InputError(f"{folder} holds a finished search without its {CHECKPOINT}; choose another folder")
    if (folder / CHECKPOINT).exists() and not resume:
        raise InputError(f"{folder} holds a run already; add --resume to go on with it, or choose another folder")


def open_run(folder: Path, config: Settings, resume: bool) -> bool:
    """Prepare the folder of a run; True when there is a checkpoint to take up.

    Raises:
        InputError: the folder is in use and `resume` was not asked for, or it holds another run.
    """
    check_free(folder, resume)
    path = folder / CONFIG
    saved = read_yaml(path, type(config)) if path.exists() else config  # refuses another program's file
    if not (folder / CHECKPOINT).exists():  # nothing was finished: nothing can be lost
        output_folder(folder)
        write_yaml(path, config)
        return False
    changed = changed_fields(saved, config)
    if changed:
        raise InputError(f"{folder} holds a run with another {', '.join(changed)}; choose another folder")
    return True


def open_on_first(fabric: Fabric, folder: Path, config: Settings, resume: bool) -> bool:
    """`open_run` on the first process; what it says, on all."""
    opened = open_run(folder, config, resume) if fabric.is_global_zero else False
    return bool(fabric.broadcast(opened))


def recorded_classes(folder: Path, config: type[DataConfig]) -> list[str] | None:
    """In the order of the outputs of a network that is resumed; None where nothing was begun."""
    return read_yaml(folder / CONFIG, config).classes if (folder / CHECKPOINT).exists() else None


def recorded_choice(folder: Path) -> Choice | None:
    """How the steps of work that is resumed were computed, so that it goes on bit for bit."""
    return load_choice(folder) if is_first() and (folder / CHECKPOINT).exists() else None


Settle = Callable[[SearchResult, SharedEvaluator], SearchResult]
"""Puts what was found into an order that is worth more than probabilities."""


def run_search(
    folder: Path,
    config: RunConfig,
    problem: Problem,
    reporter: Reporter,
    resume: bool,
    settle: Settle = lambda result, evaluator: result,
) -> SearchResult:
    """Search, or go on with a search, in its folder.

    Of several processes, the first settles the result and writes it; the others return what it settled from.
    """
    search = Search(problem, config.search, recorded_choice(folder))
    config = config.model_copy(update={"search": search.settings})  # with the numbers of epochs that suit the data
    if open_on_first(search.fabric, folder, config, resume):
        search.resume(folder / CHECKPOINT)
    save_choice(folder, search.choice)
    log = LoggingReporter(folder / LOG, search.history, BoardReporter(folder / BOARD, search.history, reporter))
    if search.history:
        log.write()
    search.run(folder / CHECKPOINT, log if search.fabric.is_global_zero else None)
    result = SearchResult(
        space=config.space,
        space_args=config.space_args,
        budget_ms=config.targets[0].budget_ms,
        limits=config.limits,
        allowances_are_used=search.objective.allowances_are_used,
        ops=[list(decision.choices) for decision in problem.space.decisions],
        log_probs=search.log_probs(),
        at_chance=search.is_at_chance,
        identity=search.identity,
        evaluated=best_evaluated(problem.space, search.strategy.trials),
    )
    # Of several processes the others end here: what settles is longer than they would wait.
    return _finish(folder, search, result, settle) if search.fabric.is_global_zero else result


def _finish(folder: Path, search: Search, result: SearchResult, settle: Settle) -> SearchResult:
    """Settle the result and write it; a finished search that is resumed computes nothing."""
    if (folder / RESULT).exists():
        return load_result(folder)
    if search.settings.halving and not search.is_at_chance:
        result = settle(result, search.evaluator)
    write_json(folder / ENVIRONMENT, Environment.now().model_dump())
    write_json(folder / RESULT, result.model_dump())
    return result


def load_config(folder: Path) -> RunConfig:
    """What the search in a folder was asked for.

    Raises:
        InputError: not a run, or damaged.
    """
    check_run(folder)
    return read_yaml(folder / CONFIG, RunConfig)


def load_supernet(folder: Path, space: Space) -> SuperNet:
    """The weights of a search of that space, on the CPU.

    Raises:
        InputError: the checkpoint is missing, damaged or of another search.
    """
    supernet, state = SuperNet(space), load_checkpoint(folder / CHECKPOINT)
    identity = load_result(folder).identity if (folder / RESULT).exists() else None
    try:
        check_state(state, identity or state["identity"])
        supernet.load_state_dict(state["supernet"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder / CHECKPOINT} has no weights of this search ({reason}); search again") from None
    return supernet


def load_evaluator(folder: Path, result: SearchResult) -> SharedEvaluator:
    """What evaluates networks of a finished search with its weights, on its own division of its data.

    A search that ran on a GPU may be evaluated where there is none.

    Raises:
        InputError: the data are gone, or the checkpoint is missing, damaged or of another search.
    """
    config, space = load_config(folder), result.build_space()
    data = _load_same_data(config, space.resolution)
    check_classes(space, data)
    supernet = load_supernet(folder, space)
    device = make_fabric("cpu" if config.search.device == "cpu" else "auto").device
    recorded = usable(load_choice(folder), device)
    execution = recorded.chosen if recorded else fixed_execution(config.search, device)
    splits = divide_training(data, config.search)
    return SharedEvaluator(execution.prepare(supernet.to(device)), space, data, *splits, execution)


def _load_same_data(config: RunConfig, resolution: int) -> ImageData:
    try:
        return load_data(config.data, resolution, config.search.limit, config.classes)
    except InputError as error:
        raise InputError(
            f"the data {config.data!r} of the search cannot be loaded ({error}), and networks are ranked on them; put "
            "them back, or take the most probable networks with --candidates 1"
        ) from None
