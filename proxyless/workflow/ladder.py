"""How a search settles: its best networks climb by real training, fewer and longer from rung to rung.

Successive halving (Jamieson and Talwalkar, AISTATS 2016), from the weights that the search has trained.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from proxyless.config import RecipeSettings
from proxyless.execution import load_choice
from proxyless.files import write_json
from proxyless.nn import save_weights
from proxyless.progress import Reporter
from proxyless.search.config import SearchSettings
from proxyless.search.derive import used, uses
from proxyless.search.domain import BoundedDomain
from proxyless.search.result import SearchResult
from proxyless.search.shared import SharedEvaluator
from proxyless.search.worth import Worth
from proxyless.seeds import stream_seed
from proxyless.space import Architecture, Space, build_space
from proxyless.space.bounds import FILL, Bound
from proxyless.train.config import TrainSettings
from proxyless.train.trained import ARCHITECTURE, WEIGHTS
from proxyless.workflow.side_by_side import try_all, usual_jobs
from proxyless.workflow.worker import TrainingJob

LADDER = "ladder.json"
_EACH = 8
"""Candidates of each kind: probable ones, neighbours of the most probable one, and random ones."""

_DRAWS, _MISSES = 200, 10
_CHANGES = 2
"""Decisions in which a neighbour differs, at most."""
_SHORT_STEPS = 1000
"""Of all trainings of a rung: fewer are done before other processes have started."""
_START = "start.safetensors"

_LOG = logging.getLogger(__name__)

_Path = tuple[int, ...]


@dataclass
class Candidate:
    """A network that may be chosen.

    source: how it came into question. shared: its worth with the shared weights. rungs: with short training, from the
    first rung on.
    """

    path: _Path
    source: str
    shared: Worth | None = None
    rungs: list[Worth] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, float]:
        """The higher the rung the better, then the lower the loss there; for sorting, the best first."""
        worth = self.rungs[-1] if self.rungs else self.shared
        return -len(self.rungs), worth.loss if worth else math.inf


def find_candidates(result: SearchResult, bounds: Sequence[Bound], seed: int) -> list[Candidate]:
    """Distinct networks within the bounds: the best that were evaluated and the most probable ones, neighbours of the
    first, and random ones that nearly reach the bounds, which a search has to beat.

    One that leaves unused what the first of them uses may be better with weights that hardly were trained, but not in
    the end: it may not stand.
    """
    likely = [tuple(path) for path in result.candidates(bounds, _EACH)]
    first, least = likely[0], FILL * used(likely[0], bounds)
    domain = BoundedDomain(bounds, first, result.build_space().canonical)
    rng = np.random.default_rng(stream_seed(seed, "candidates"))

    def may_stand(path: _Path) -> bool:
        return not result.allowances_are_used or uses(path, bounds) or used(path, bounds) >= least

    def neighbour() -> _Path | None:
        path = domain.mutate(first, rng)  # where none fits, it is any other
        return path if sum(a != b for a, b in zip(path, first, strict=True)) <= _CHANGES else None

    draws: dict[str, Callable[[], _Path | None]] = {"neighbour": neighbour, "random": lambda: domain.random_near(rng)}
    found = {path: "probable" for path in likely if may_stand(path)}
    for source, draw in draws.items():
        enough, misses = len(found) + _EACH, 0
        for _ in range(_DRAWS):
            path = draw()
            misses += path is None
            if path is not None and path not in found and may_stand(path):
                found[path] = source
            if len(found) == enough or misses == _MISSES:
                break
    return [Candidate(path, source) for path, source in found.items()]


def settle(
    folder: Path,
    data: str,
    bounds: Sequence[Bound],
    settings: SearchSettings,
    reporter: Reporter,
    result: SearchResult,
    evaluator: SharedEvaluator,
) -> SearchResult:
    """The result with the candidates that were trained, best first, of which `ladder.json` in the folder tells.

    Interrupted, it goes on with what is trained.
    """
    space, candidates = result.build_space(), find_candidates(result, bounds, settings.seed)
    for done, candidate in enumerate(candidates):
        reporter.progress(done, len(candidates), "compare candidates with the shared weights")
        candidate.shared = evaluator.evaluate(candidate.path)
    climbing = sorted(candidates, key=lambda candidate: candidate.place)[: settings.finalists]
    rungs = _Rungs(folder, data, result, settings, len(evaluator.train_split))
    rungs.announce(len(climbing))
    rungs.prepare(climbing, evaluator)
    while len(climbing) > 1:
        climbing = sorted(rungs.climb(climbing, reporter), key=lambda candidate: candidate.place)
        climbing = climbing[: len(climbing) // 2]
    candidates.sort(key=lambda candidate: candidate.place)
    images = len(evaluator.held_out.labels)
    write_json(folder / LADDER, ladder_document(candidates, space, bounds[0], rungs.epochs, images))
    settled = [list(space.path_ops(candidate.path)) for candidate in candidates if candidate.rungs]
    return result.model_copy(update={"settled": settled})


class _Rungs:
    """Trains what climbs: every rung goes on with the weights of the one below, for twice as long."""

    def __init__(self, folder: Path, data: str, result: SearchResult, settings: SearchSettings, images: int) -> None:
        """images: that are trained on."""
        self.folder, self.data, self.images = folder / "ladder", data, images
        choice = load_choice(folder)  # all in one arithmetic
        precision = choice.chosen.arithmetic if choice else settings.precision
        self.settings = settings.model_copy(update={"precision": precision, "compile": False})
        self.whole, self.searched = build_space(result.space, result.space_args), result.build_space()
        self.epochs: list[int] = []

    def announce(self, finalists: int) -> None:
        """How much of it there will be."""
        plan: list[str] = []
        while finalists > 1:
            plan.append(f"{finalists} networks for {self._length(len(plan))}")
            finalists //= 2
        if plan:
            _LOG.info(
                "the best candidates go on from the weights of the search: %s epochs",
                ", ".join(plan),
            )

    def _length(self, rung: int) -> int:
        return self.settings.rung_epochs << rung

    def prepare(self, candidates: Sequence[Candidate], evaluator: SharedEvaluator) -> None:
        """The files that trainings start from."""
        for candidate in candidates:
            place = self._place(candidate)
            if not (place / _START).exists():
                network = Architecture(self.whole, self.searched.path_ops(candidate.path))
                network.save(place / ARCHITECTURE)
                save_weights(place / _START, evaluator.inherited(candidate.path))

    def _place(self, candidate: Candidate) -> Path:
        return self.folder / sha256(repr(candidate.path).encode()).hexdigest()[:16]

    def climb(self, candidates: Sequence[Candidate], reporter: Reporter) -> list[Candidate]:
        """One rung; returns those that got there, for one whose training fails is out."""
        rung = len(self.epochs)
        self.epochs.append(self._length(rung))
        jobs = [self._job(candidate, rung) for candidate in candidates]
        steps = len(jobs) * self.epochs[rung] * self.images // self.settings.batch_size
        at_once = usual_jobs(self.settings.device) if steps > _SHORT_STEPS else 1
        arrived = []
        for candidate, info in zip(candidates, try_all(jobs, at_once, reporter), strict=True):
            if info is not None and info.validation_loss is not None:
                candidate.rungs.append(Worth(info.validation_loss, info.validation_accuracy))
                arrived.append(candidate)
        return arrived

    def _job(self, candidate: Candidate, rung: int) -> TrainingJob:
        place = self._place(candidate)
        return TrainingJob(
            architecture=place / ARCHITECTURE,
            data=self.data,
            folder=place / f"rung-{rung + 1}",
            settings=self._training(self.epochs[rung]),
            init=place / _START if rung == 0 else place / f"rung-{rung}" / WEIGHTS,
        )

    def _training(self, epochs: int) -> TrainSettings:
        """On the images that the search trained its weights on, judged by those that it held out."""
        recipe = {name: getattr(self.settings, name) for name in RecipeSettings.model_fields}
        return TrainSettings(**recipe, epochs=epochs, warmup_epochs=0, validation=self.settings.held_out)


def ladder_document(
    candidates: Sequence[Candidate], space: Space, latency: Bound, epochs: Sequence[int], images: int
) -> dict[str, Any]:
    """Candidates as they ended, the best first."""
    return {
        "format": "ladder/1",
        "epochs": list(epochs),
        "held_out_images": images,
        "lead": lead(candidates, images),
        "candidates": [
            {
                "ops": list(space.path_ops(candidate.path)),
                "source": candidate.source,
                "predicted_ms": latency.cost(candidate.path),
                "shared": asdict(candidate.shared) if candidate.shared else None,
                "rungs": [asdict(worth) for worth in candidate.rungs],
            }
            for candidate in candidates
        ],
    }


def lead(candidates: Sequence[Candidate], images: int) -> dict[str, float] | None:
    """By how much the first is more accurate than the second on their last rung, and the standard error of that from
    the number of images alone; None where there is no second."""
    if len(candidates) < 2 or not candidates[0].rungs or len(candidates[0].rungs) != len(candidates[1].rungs):
        return None
    first, second = (candidate.rungs[-1].accuracy for candidate in candidates[:2])
    variance = (first * (1 - first) + second * (1 - second)) / images
    return {"accuracy": first - second, "standard_error": math.sqrt(variance)}
