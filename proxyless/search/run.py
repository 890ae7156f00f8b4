"""A run: the folder with everything of one search."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from proxyless.config import Settings, changed_fields, read_yaml, write_yaml
from proxyless.errors import InputError
from proxyless.files import output_folder, read_model, write_json, write_text
from proxyless.progress import Record, Reporter
from proxyless.search.config import SearchSettings
from proxyless.search.derive import derive_path
from proxyless.search.loop import Problem, Search
from proxyless.space import Architecture, Space, Target, build_space
from proxyless.space.latency import LayerCosts

CONFIG, CHECKPOINT, LOG, RESULT, TABLE = "config.yaml", "checkpoint.pt", "log.jsonl", "result.json", "table.json"


class RunConfig(Settings):
    """What was asked for, resolved: saved in the run, and compared when it is resumed."""

    space: str
    space_args: dict[str, Any]
    data: str
    target: str
    budget_ms: float
    search: SearchSettings


class SearchResult(BaseModel):
    """What a search found: the log-probability of every operation. `ops` names them, layer by layer."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["search-result/1"] = "search-result/1"
    space: str
    space_args: dict[str, Any]
    budget_ms: float
    ops: list[list[str]]
    log_probs: list[list[float]]

    def build_space(self) -> Space:
        """The space that was searched.

        Raises:
            InputError: the result does not fit it.
        """
        space = build_space(self.space, self.space_args)
        if [[op.name for op in layer.ops] for layer in space.layers] != self.ops:
            raise InputError(f"the search was made with another version of the space {self.space!r}; search again")
        return space


class LoggingReporter:
    """Writes the log of epochs beside passing everything on."""

    def __init__(self, path: Path, history: list[Record], inner: Reporter) -> None:
        self.path, self.history, self.inner = path, history, inner

    def progress(self, done: int, total: int, status: str) -> None:
        self.inner.progress(done, total, status)

    def epoch(self, record: Record) -> None:
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in self.history))
        self.inner.epoch(record)


def open_run(folder: Path, config: Settings, resume: bool) -> bool:
    """Prepare the folder of a run; True when there is a checkpoint to take up.

    Raises:
        InputError: the folder is in use and `resume` was not asked for, or it holds another run.
    """
    path = folder / CONFIG
    saved = read_yaml(path, type(config)) if path.exists() else config  # refuses another program's file
    if not (folder / CHECKPOINT).exists():  # nothing was finished: nothing can be lost
        output_folder(folder)
        write_yaml(path, config)
        return False
    if not resume:
        raise InputError(f"{folder} holds a run already; add --resume to go on with it, or choose another folder")
    changed = changed_fields(saved, config)
    if changed:
        raise InputError(f"{folder} holds a run with another {', '.join(changed)}; choose another folder")
    return True


def run_search(folder: Path, config: RunConfig, problem: Problem, reporter: Reporter, resume: bool) -> SearchResult:
    """Search, or go on with a search, in its folder."""
    search = Search(problem, config.search)
    if open_run(folder, config, resume):
        search.resume(folder / CHECKPOINT)
    search.run(folder / CHECKPOINT, LoggingReporter(folder / LOG, search.history, reporter))
    result = SearchResult(
        space=config.space,
        space_args=config.space_args,
        budget_ms=config.budget_ms,
        ops=[[op.name for op in layer.ops] for layer in problem.space.layers],
        log_probs=search.log_probs(),
    )
    write_json(folder / RESULT, result.model_dump())
    return result


def load_result(folder: Path) -> SearchResult:
    """The result of a finished search.

    Raises:
        InputError: not a run, not finished, or damaged.
    """
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder} is not the folder of a search; give the output of 'search'")
    if not (folder / RESULT).exists():
        raise InputError(f"the search in {folder} has not finished; go on with 'search ... --resume'")
    return read_model(folder / RESULT, "search result", SearchResult)


def derive(result: SearchResult, costs: LayerCosts, target: Target) -> Architecture:
    """The most probable network within `target.budget_ms`; `target.predicted_ms` is replaced by its own.

    Raises:
        InputError: no network fits.
    """
    space = result.build_space()
    costs.check_budget(target.budget_ms)
    path = derive_path(result.log_probs, costs, costs.bound_ms(target.budget_ms))
    ops = tuple(layer.ops[index] for layer, index in zip(space.layers, path, strict=True))
    return Architecture(space, ops, target.model_copy(update={"predicted_ms": costs.path_ms(path)}))
