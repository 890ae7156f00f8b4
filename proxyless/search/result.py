"""What a search found, and the networks that follow from it."""

from collections.abc import Sequence
from dataclasses import replace
from operator import contains
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxyless.config import CONFIG
from proxyless.errors import InputError, shown
from proxyless.files import read_model
from proxyless.search.derive import candidate_paths, choose_path, log_prob, used, uses
from proxyless.space import Architecture, Decision, Space, build_space
from proxyless.space.architecture import Milliseconds, Names
from proxyless.space.bounds import FILL, Bound, keeps, macs_bound, params_bound
from proxyless.space.memory import memory_bound

LogProbs = Annotated[list[Annotated[float, Field(le=1e-6)]], Field(min_length=1, max_length=10_000)]
"""Of the choices of a decision; -inf where a probability underflowed."""

CHECKPOINT, LOG, RESULT = "checkpoint.pt", "log.jsonl", "result.json"
EVALUATIONS = "evaluations.jsonl"
ENVIRONMENT = "environment.json"
"""What the search ran with: not part of the result. With other threads, processors or versions sums differ by their
last digits, and a search may go another way."""


class Limits(BaseModel):
    """Bounds beside latency; None for no bound. Memory is the peak of float32 activations at batch 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_params: float | None = Field(None, gt=0, le=1e18)
    max_macs: float | None = Field(None, gt=0, le=1e18)
    max_memory_bytes: float | None = Field(None, gt=0, le=1e18)

    def bounds(self, space: Space) -> list[Bound]:
        """The bounds, of the part of a space that a limit on memory leaves (`within_memory`).

        Raises:
            InputError: no network keeps one of them.
        """
        made = []
        if self.max_params is not None:
            made.append(params_bound(space, self.max_params))
        if self.max_macs is not None:
            made.append(macs_bound(space, self.max_macs))
        if self.max_memory_bytes is not None and (memory := memory_bound(space, self.max_memory_bytes)):
            made.append(memory)
        return made


MAX_NAMES = 1_000_000
"""Of operations of evaluated networks in one result, which is then no larger than a file that can be read."""


def best_evaluated(space: Space, best_first: Sequence[Sequence[int]]) -> list[list[str]]:
    """The evaluated networks that a result holds, by their operations; all of them are in `EVALUATIONS`."""
    count = MAX_NAMES // max(1, len(space.decisions))
    return [list(space.path_ops(path)) for path in best_first[:count]]


class SearchResult(BaseModel):
    """What a search found: the log-probability of every choice. `ops` names them, decision by decision.

    allowances_are_used: whether networks should use what their bounds allow; not after a search with a penalty.
    ops: those that were searched; a limit on memory leaves some of the space's out.
    at_chance: whether the weights by which networks were compared were no better than guessing.
    evaluated: networks that a sampling strategy evaluated, best first: as many as `best_evaluated` takes.
    settled: networks that were trained for a short time at the end, best first. identity: of the search, which its
    checkpoint has too.
    """

    model_config = ConfigDict(extra="forbid")
    format: Literal["search-result/1"] = "search-result/1"
    space: str
    space_args: dict[str, Any]
    budget_ms: Milliseconds
    limits: Limits = Limits()
    allowances_are_used: bool = True
    ops: list[Names] = Field(max_length=10_000)
    log_probs: list[LogProbs] = Field(max_length=10_000)
    at_chance: bool = False
    evaluated: list[Names] = Field([], max_length=MAX_NAMES)
    settled: list[Names] = Field([], max_length=10_000)
    identity: str | None = Field(None, max_length=100)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if [len(row) for row in self.log_probs] != [len(names) for names in self.ops]:
            raise ValueError("its 'ops' and 'log_probs' are not of the same lengths; search again")
        for network in (*self.evaluated, *self.settled):
            if len(network) != len(self.ops) or not all(map(contains, self.ops, network)):
                raise ValueError(f"its network {shown(' '.join(network))} is not of its 'ops'; search again")
        return self

    def build_space(self) -> Space:
        """The space that was searched.

        Raises:
            InputError: the result does not fit it.
        """
        space = build_space(self.space, self.space_args)
        if len(space.decisions) != len(self.ops):
            raise InputError(self._other_version())
        return space.keeping([self._kept(*each) for each in zip(space.decisions, self.ops, strict=True)])

    def _kept(self, decision: Decision, names: Sequence[str]) -> list[int]:
        kept = [index for index, choice in enumerate(decision.choices) if choice in names]
        left_out = len(kept) < len(decision.choices) and self.limits.max_memory_bytes is None
        if not kept or [decision.choices[index] for index in kept] != list(names) or left_out:
            raise InputError(self._other_version())
        return kept

    def _other_version(self) -> str:
        return f"the search was made with another version of the space {shown(self.space)}; search again"

    def derive(self, bounds: Sequence[Bound]) -> list[int]:
        """The best of the settled networks that keeps the bounds and uses as much of them as any other that follows
        from the search; else the best evaluated one that keeps them, else the most probable one that does.

        Raises:
            InputError: no network keeps them.
        """
        effective = self._bounds(bounds)
        chosen = choose_path(self.log_probs, effective, self._evaluated_paths())
        settled = self._settled_within(effective, chosen)
        return settled[0] if settled else chosen

    def _settled_within(self, bounds: Sequence[Bound], other: Sequence[int]) -> list[list[int]]:
        """The settled networks that keep the bounds, and use one or nearly as much as `other` does; best first."""
        least = FILL * used(other, bounds)
        paths = self.settled_paths()
        return [path for path in paths if keeps(path, bounds) and (uses(path, bounds) or used(path, bounds) >= least)]

    def log_prob(self, path: Sequence[int]) -> float:
        """Log of the probability of a network."""
        return log_prob(self.log_probs, path)

    def candidates(self, bounds: Sequence[Bound], count: int) -> list[list[int]]:
        """Up to `count` distinct networks that keep the bounds; the first is that of `derive`.

        Raises:
            InputError: no network keeps them.
        """
        live, effective = self.build_space().live, self._bounds(bounds)
        found = candidate_paths(self.log_probs, effective, self._evaluated_paths(), count, live)
        settled = self._settled_within(effective, found[0])
        return [*settled, *(path for path in found if path not in settled)][:count]

    def _bounds(self, bounds: Sequence[Bound]) -> list[Bound]:
        return [bound if self.allowances_are_used else replace(bound, least=0.0) for bound in bounds]

    def ranked(self, paths: Sequence[Sequence[int]]) -> list[list[int]]:
        """Networks, best first: those that settled and then those that were evaluated in their order, then by
        probability."""
        known = [*self.settled_paths(), *self._evaluated_paths()]
        rank = {path: number for number, path in enumerate(dict.fromkeys(map(tuple, known)))}

        def place(path: Sequence[int]) -> tuple[float, float]:
            return rank.get(tuple(path), len(rank)), -self.log_prob(path)

        return [list(path) for path in sorted(paths, key=place)]

    def path(self, architecture: Architecture) -> list[int]:
        """The index of the choice of each decision."""
        return self._path(architecture.ops)

    def settled_paths(self) -> list[list[int]]:
        """Of the networks that settled, best first: the index of the choice of each decision."""
        return [self._path(op_names) for op_names in self.settled]

    def _evaluated_paths(self) -> list[list[int]]:
        return [self._path(op_names) for op_names in self.evaluated]

    def _path(self, op_names: Sequence[str]) -> list[int]:
        return [names.index(name) for names, name in zip(self.ops, op_names, strict=True)]


def check_run(folder: Path) -> None:
    """Raise InputError unless the folder is that of a search, finished or not."""
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder} is not the folder of a search; give the output of 'search'")


def load_result(folder: Path) -> SearchResult:
    """The result of a finished search.

    Raises:
        InputError: not a run, not finished, or damaged.
    """
    check_run(folder)
    if not (folder / RESULT).exists():
        raise InputError(f"the search in {folder} has not finished; go on with 'search ... --resume'")
    return read_model(folder / RESULT, "search result", SearchResult)
