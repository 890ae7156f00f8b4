"""Reading the files of a run that the page shows as they are; of each, what it does not have is left out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from latency.table import LatencyTable
from proxyless.environment import Environment
from proxyless.errors import InputError
from proxyless.files import first_problem, read_json, read_model
from proxyless.report.content import Course, Exported, Gallery, Ladder, Part, SearchEpoch, TrainedFacts, TrainingEpoch
from proxyless.search.result import ENVIRONMENT, LOG, SearchResult, load_result
from proxyless.space import Architecture, Space, build_space
from proxyless.train.trained import DESCRIPTION, TrainedInfo
from proxyless.workflow.ladder import LADDER
from proxyless.workflow.report.folders import RunFolders
from proxyless.workflow.search import limited_space

Line = TypeVar("Line", bound=Part)


def read_log(path: Path, model: type[Line]) -> list[Line]:
    """The lines of a log, one JSON document each.

    Raises:
        InputError: a line that is damaged or not of such a log.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [model.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise InputError(f"log {path} is not valid: {first_problem(error)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"log {path} cannot be read: {error}") from None


def read_result(folders: RunFolders) -> SearchResult | None:
    """What the search found; None while it has not finished."""
    return load_result(folders.search) if folders.search_has_finished else None


def read_environment(folders: RunFolders) -> dict[str, str]:
    """What the search ran with; empty for older runs."""
    path = folders.search / ENVIRONMENT
    found = read_model(path, "environment", Environment).model_dump() if path.exists() else {}
    return {name: str(value) for name, value in found.items() if value is not None}


def read_tables(folders: RunFolders) -> list[LatencyTable]:
    """The tables that were searched with; before the search has finished, those that were profiled for it."""
    return [LatencyTable.load(path) for path in folders.tables or list(_profiled(folders.root))]


def _profiled(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*.json")):
        document = read_json(path, "file of the run")
        if isinstance(document, dict) and document.get("format") == "latency-table/1":
            yield path


def read_network(folders: RunFolders, table: LatencyTable | None) -> tuple[Path, Architecture] | None:
    """The network that was trained, else exported, else derived for the table, else found; None where there is none.

    What is exported does not name the device of its target, if that is another machine.
    """
    derived = sorted(folders.root.glob("network-*.json"))
    paths = [folder / "architecture.json" for folder in (folders.trained, folders.model)]
    found = [(path, Architecture.load(path)) for path in [*paths, *derived] if path.exists()]
    chosen = [(path, network) for path, network in found if path not in derived or is_for(network, table)]
    if chosen:
        return chosen[0]
    path = folders.search / "architecture.json"
    return (path, Architecture.load(path)) if path.exists() else None


def is_for(network: Architecture, table: LatencyTable | None) -> bool:
    """Whether the network was derived for the target of the table."""
    return network.target is not None and table is not None and network.target.unbudgeted() == table.target


def read_course(folders: RunFolders, result: SearchResult | None, space: Space) -> Course | None:
    """The log of the search in a space; None before its first epoch.

    Raises:
        InputError: damaged, or of another space than the run's settings say.
    """
    path = folders.search / LOG
    if not path.exists():
        return None
    ops = result.ops if result else [list(decision.choices) for decision in space.decisions]
    epochs = read_log(path, SearchEpoch)
    sizes = [len(names) for names in ops]
    if any(epoch.probabilities and [len(row) for row in epoch.probabilities] != sizes for epoch in epochs):
        raise InputError(f"log {path} is of a search of another space than its settings say; search again")
    names = [decision.name for decision in space.decisions]
    numbers = [decision.kind != "operation" for decision in space.decisions]
    return Course(decisions=names, numbers=numbers, ops=ops, epochs=epochs) if epochs else None


def read_ladder(folders: RunFolders) -> Ladder | None:
    """How the search settled."""
    path = folders.search / LADDER
    return read_model(path, "ladder", Ladder) if path.exists() else None


def searched_space(folders: RunFolders, tables: Sequence[LatencyTable]) -> Space:
    """The part of the space that the settings allow; its arguments are also in a table that was made for it."""
    config = folders.search_config
    args = next((table.space.args for table in tables if table.space), config.space_args)
    return limited_space(build_space(config.space, args), config.limits)


def read_trained(folders: RunFolders) -> tuple[TrainedFacts | None, list[str]]:
    """How the training went, and the names of the classes that it learnt."""
    if not (folders.trained / LOG).exists():
        return None, []
    epochs = read_log(folders.trained / LOG, TrainingEpoch)
    path = folders.trained / DESCRIPTION
    info = read_model(path, "trained network", TrainedInfo) if path.exists() else None
    facts = TrainedFacts(
        best_epoch=info.best_epoch if info else None,
        validation_accuracy=info.validation_accuracy if info else None,
        test_accuracy=info.test_accuracy if info else None,
        epochs=epochs,
    )
    return facts, info.classes if info else []


def read_exported(folders: RunFolders) -> Exported | None:
    """The report of the export, with whatever it has."""
    path = folders.export_report
    return read_model(path, "export report", Exported) if path.exists() else None


def read_galleries(folders: RunFolders) -> list[Gallery]:
    """Every gallery in a sub-folder of the run."""
    read = [(path.parent, read_model(path, "gallery", Gallery)) for path in folders.galleries]
    return [gallery.model_copy(update={"folder": str(folder)}) for folder, gallery in read]


def read_configs(folders: RunFolders) -> dict[str, str]:
    """The text of the settings of every stage, by file.

    Raises:
        InputError: a file that cannot be read as text.
    """
    try:
        return {str(path.relative_to(folders.root)): path.read_text(encoding="utf-8") for path in folders.configs}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the settings in {folders.root} cannot be read: {error}") from None
