"""The commands that make what a run does not have yet, and those that make it again."""

import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

from numpy import format_float_positional

from export.format import ModelFile
from export.formats import all_files, known_formats
from export.settings import ExportSettings
from proxyless.addresses import LOCAL
from proxyless.errors import InputError
from proxyless.files import read_json
from proxyless.report.content import Command, Exported
from proxyless.search.config import SearchSettings
from proxyless.space import Architecture
from proxyless.train.config import TrainSettings
from proxyless.workflow.report.folders import RunFolders


def missing_parts(folders: RunFolders, profiled: bool, has_gallery: bool) -> list[Command]:
    """What the run does not have yet, in the order in which it is made."""
    parts = [
        ("latency table", profiled, _search(folders)),
        ("result of the search", folders.search_has_finished, _search(folders)),
        ("trained network", folders.training_has_finished, _train(folders)),
        ("exported files", folders.export_report.exists(), _export(folders)),
    ]
    whole_run = _line("run", _config_file(folders))
    stages = [
        Command(makes=name, line=whole_run if folders.config.is_pipeline else line)
        for name, there, line in parts
        if not there
    ]
    return stages if has_gallery else [*stages, _gallery(folders)]


def reproduction(folders: RunFolders, exported: Exported | None) -> list[Command]:
    """From the settings that lie in the run to the same run in another folder."""
    again = replace(folders, root=_beside(folders.root))
    if folders.config.is_pipeline:
        return [Command(makes="all of it", line=_line("run", _config_file(folders), "-o", again.root))]
    return [
        Command(makes="search", line=_search(folders, again)),
        Command(makes="trained network", line=_train(folders, again)),
        Command(makes="exported files", line=_export(folders, exported, again)),
    ]


def _beside(folder: Path) -> Path:
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.with_name(f"{named.name}-again")


def _config_file(folders: RunFolders) -> Path:
    return folders.root / "config.yaml"


def _search(folders: RunFolders, again: RunFolders | None = None) -> str:
    """The search with every setting that is not the default; to go on with it, or `again` in other folders."""
    config = folders.search_config
    tables = [*folders.tables, *repeat("TABLE.json", len(config.targets))]  # an unfinished search has no copies yet
    targets = [
        ("--table", table, "--budget", f"{format_float_positional(target.budget_ms)}ms")
        for table, target in zip(tables, config.targets, strict=False)
    ]
    bounds = config.limits.model_dump().items()
    limits = [(f"--{name.removesuffix('_bytes')}", value) for name, value in bounds if value]
    place = ("-o", again.search) if again else ("-o", folders.search, "--resume")
    flags = _flags(config.search or {}, _search_defaults(config.search or {}))
    words = [word for group in (*targets, *limits, flags, place) for word in group]
    return _line("search", "--space", config.space, "--data", config.data, *words)


def _train(folders: RunFolders, again: RunFolders | None = None) -> str:
    """The training with every setting that is not the default; to begin or go on with it, or `again`."""
    config, place = folders.trained_config, again or folders
    resume = ["--resume"] if config and not again else []
    data = (config or folders.search_config).data
    flags = _flags(config.train, TrainSettings().model_dump()) if config else []
    return _line("train", _network(folders, place), "--data", data, *flags, "-o", place.trained, *resume)


def _network(folders: RunFolders, place: RunFolders) -> Path:
    """What is trained: what the search finds, unless the training was of another network."""
    found, trained = folders.search / "architecture.json", folders.trained / "architecture.json"
    if not (found.exists() and trained.exists()):
        return place.search
    same = read_json(found, "architecture") == read_json(trained, "architecture")
    return place.search if same else trained


def _export(folders: RunFolders, exported: Exported | None = None, again: RunFolders | None = None) -> str:
    """The export with the default files; or with those of an earlier one, `again` in other folders."""
    place, files = again or folders, _written(exported) if exported else []
    formats = dict.fromkeys(file.format.name for file in files) or folders.config.formats
    flags = _export_flags(folders, exported, {file.dtype for file in files}) if exported else []
    words = [*flags, *_device(folders, formats), "-o", place.model]
    return _line("export", place.trained, "--format", ",".join(formats), *words)


def _device(folders: RunFolders, formats: Iterable[str]) -> list[str]:
    """The device that files of these formats are measured on, which a command has to name unless it is this machine."""
    paths = (folder / "architecture.json" for folder in (folders.trained, folders.search))
    network = next((Architecture.load(path) for path in paths if path.exists()), None)
    target = network.target if network else None
    known = known_formats()
    runtimes = {known[name].runtime for name in formats if name in known}
    return ["--device", target.device] if target and target.runtime in runtimes and target.device != LOCAL else []


def _written(exported: Exported) -> list[ModelFile]:
    """The files that were made, be they left out afterwards."""
    files = all_files(list(known_formats().values()), ("int8", "float16"))
    return [file for file in files if file.name in exported.files or file.file_name in exported.left_out]


def _export_flags(folders: RunFolders, exported: Exported, dtypes: Collection[str]) -> list[Any]:
    """What was asked for, as far as the report of the export has it."""
    asked = {"calibration_images": exported.calibration_images or None, "max_int8_loss": exported.max_int8_loss}
    words = _flags({name: value for name, value in asked.items() if value is not None}, ExportSettings().model_dump())
    if "int8" in dtypes:
        words.append("--int8")
    elif exported.target and exported.target.dtype == "int8":
        words.append("--no-int8")
    words += ["--float16"] if "float16" in dtypes else []
    trained_on = (folders.trained_config or folders.search_config).data
    return words + (["--data", exported.data] if exported.data not in (None, trained_on) else [])


def _search_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a search with its strategy; of one whose package is gone, without the strategy's own."""
    strategy = settings.get("strategy")
    try:
        own = SearchSettings.make("search settings", strategy=strategy).model_dump()
    except InputError:
        own = {}
    return {**own, **SearchSettings().model_dump()}


def _flags(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Any]:
    """The settings that are not the default."""
    changed = {name: value for name, value in settings.items() if name in defaults and value != defaults[name]}
    groups = [(f"--{name}",) if value is True else (f"--{name}", value) for name, value in changed.items()]
    return [word for group in groups for word in group]


def _gallery(folders: RunFolders) -> Command:
    budgets = [word for share in (50, 70, 90) for word in ("--budget", f"{share}%")]
    line = _line("derive", folders.search, *budgets, "-o", folders.root / "gallery")
    return Command(makes="gallery of networks for other budgets", line=line)


def _line(*words: Any) -> str:
    """A command, quoted for the shell; the underscores of settings are the dashes of flags."""
    texts = [str(word) for word in words]
    return shlex.join(["proxyless", *(text.replace("_", "-") if text.startswith("--") else text for text in texts)])
