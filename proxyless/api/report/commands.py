"""The commands that make what a run does not have yet, and those that make it again."""

import shlex
from itertools import repeat
from pathlib import Path
from typing import Any

from numpy import format_float_positional

from proxyless.api.report.folders import RunFolders
from proxyless.report.content import Command
from proxyless.search.config import SearchSettings

_FROM_PYTHON_ONLY = ("momentum", "weight_decay", "label_smoothing")
"""Settings of a search that no flag changes."""


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


def reproduction(folders: RunFolders) -> list[Command]:
    """From the settings that lie in the run to the same run in another folder."""
    if folders.config.is_pipeline:
        return [Command(makes="all of it", line=_line("run", _config_file(folders), "-o", _again(folders)))]
    return [
        Command(makes="search", line=_search(folders, again=True)),
        Command(makes="trained network", line=_train(folders)),
        Command(makes="exported files", line=_export(folders)),
    ]


def _config_file(folders: RunFolders) -> Path:
    return folders.root / "config.yaml"


def _search(folders: RunFolders, again: bool = False) -> str:
    """The search with every setting that is not the default; to go on with it, or `again` in another folder."""
    config = folders.search_config
    tables = [*folders.tables, *repeat("TABLE.json", len(config.targets))]  # an unfinished search has no copies yet
    targets = [
        ("--table", table, "--budget", f"{format_float_positional(target.budget_ms)}ms")
        for table, target in zip(tables, config.targets, strict=False)
    ]
    bounds = config.limits.model_dump().items()
    limits = [(f"--{name.removesuffix('_bytes')}", value) for name, value in bounds if value]
    place = ("-o", _again(folders)) if again else ("-o", folders.search, "--resume")
    words = [word for group in (*targets, *limits, *_flags(config.search or {}), place) for word in group]
    return _line("search", "--space", config.space, "--data", config.data, *words)


def _again(folders: RunFolders) -> Path:
    return folders.root.with_name(f"{folders.root.resolve().name}-again")


def _flags(settings: dict[str, Any]) -> list[tuple[Any, ...]]:
    defaults = SearchSettings().model_dump()
    changed = {name: value for name, value in settings.items() if name in defaults and value != defaults[name]}
    return [
        (f"--{name}",) if value is True else (f"--{name}", value)
        for name, value in changed.items()
        if name not in _FROM_PYTHON_ONLY
    ]


def _train(folders: RunFolders) -> str:
    resume = ("--resume",) if folders.trained.exists() and not folders.training_has_finished else ()
    return _line("train", folders.search, "--data", folders.search_config.data, "-o", folders.trained, *resume)


def _export(folders: RunFolders) -> str:
    return _line("export", folders.trained, "--format", ",".join(folders.config.formats), "-o", folders.model)


def _gallery(folders: RunFolders) -> Command:
    budgets = [word for share in (50, 70, 90) for word in ("--budget", f"{share}%")]
    line = _line("derive", folders.search, *budgets, "-o", folders.root / "gallery")
    return Command(makes="gallery of networks for other budgets", line=line)


def _line(*words: Any) -> str:
    """A command, quoted for the shell; the underscores of settings are the dashes of flags."""
    texts = [str(word) for word in words]
    return shlex.join(["proxyless", *(text.replace("_", "-") if text.startswith("--") else text for text in texts)])
