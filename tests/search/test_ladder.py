"""How a search settles: candidates that climb by real training."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proxyless.progress import Reporter
from proxyless.search.config import SearchSettings
from proxyless.search.derive import used, uses
from proxyless.search.result import load_result
from proxyless.search.worth import Worth
from proxyless.space import Architecture, tiny_fixed
from proxyless.space.bounds import FILL, keeps
from proxyless.train.trained import TrainedInfo
from proxyless.workflow import ladder, search, side_by_side
from proxyless.workflow.derive import budget_bounds, first_table
from proxyless.workflow.ladder import LADDER, Candidate, find_candidates, lead
from proxyless.workflow.worker import TrainingJob
from tests.helpers import table_by_macs

_SPACE = tiny_fixed(resolution=16)
_SETTINGS = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu", finalists=5)


def _search(folder: Path, resume: bool = False, settings: SearchSettings = _SETTINGS) -> Architecture:
    return search(_SPACE, "synthetic:240", table_by_macs(_SPACE), "60%", folder, settings, resume=resume)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder") / "run"
    _search(folder)
    return folder


def _ladder(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / LADDER).read_text())
    return document


def test_half_of_the_candidates_climb_each_time_and_the_last_one_is_what_is_found(run: Path) -> None:
    document = _ladder(run)
    rungs = [len(candidate["rungs"]) for candidate in document["candidates"]]
    assert rungs[:6] == [2, 2, 1, 1, 1, 0] and document["epochs"] == [1, 2]
    assert Architecture.load(run / "architecture.json").ops == tuple(document["candidates"][0]["ops"])
    top, shared = ([c["rungs"][-1]["loss"] for c in document["candidates"] if len(c["rungs"]) == n] for n in (2, 1))
    assert top == sorted(top) and shared == sorted(shared)
    for epochs, folders in ((1, 5), (2, 2)):
        configs = list(run.glob(f"ladder/*/rung-{epochs}/trained.json"))
        assert len(configs) == folders


def test_candidates_are_distinct_keep_the_bounds_use_them_and_hold_random_ones(run: Path) -> None:
    result = load_result(run)
    ((_, bounds),) = budget_bounds(result, first_table(run), [])
    candidates = find_candidates(result, bounds, 0)
    paths = [candidate.path for candidate in candidates]
    assert len(set(paths)) == len(paths) and paths == [c.path for c in find_candidates(result, bounds, 0)]
    assert all(keeps(path, bounds) for path in paths)
    least = FILL * used(paths[0], bounds)
    assert all(uses(path, bounds) or used(path, bounds) >= least for path in paths)
    sources = [candidate.source for candidate in candidates]
    assert [sources.count(source) for source in ("probable", "neighbour", "random")] == [8, 8, 8]
    first = np.array(paths[0])
    changed = [int(np.sum(first != c.path)) for c in candidates if c.source == "neighbour"]
    assert max(changed) <= 2


def test_the_network_that_trains_best_is_found_though_another_is_more_probable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: the fewer k3 a finalist has, the lower its loss."""
    finalists: dict[str, tuple[str, ...]] = {}

    def train_all(jobs: Sequence[TrainingJob], at_once: int, reporter: Reporter) -> list[TrainedInfo]:
        infos = []
        for job in jobs:
            ops = Architecture.load(job.architecture).ops
            finalists[str(job.folder.parent)] = ops
            loss = sum(op.startswith("k3") for op in ops) + 0.001 * sum(map(len, ops))
            infos.append(
                TrainedInfo(
                    data="", classes=["a"], mean=(0, 0, 0), std=(1, 1, 1), best_epoch=1, validation_loss=loss,
                    validation_accuracy=0.5, test_accuracy=0.5,
                )
            )  # fmt: skip
        return infos

    monkeypatch.setattr(ladder, "try_all", train_all)
    found = _search(tmp_path / "run", settings=_SETTINGS.model_copy(update={"finalists": 8}))
    fewest = min(sum(op.startswith("k3") for op in ops) for ops in finalists.values())
    assert len(finalists) == 8 and sum(op.startswith("k3") for op in found.ops) == fewest


@pytest.mark.slow
@pytest.mark.parametrize("trained", [0, 2, 6])
def test_a_ladder_that_was_interrupted_ends_as_any_other(
    trained: int, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Path] = []

    original = TrainingJob.run

    def interrupted(job: TrainingJob, reporter: Reporter) -> None:
        if len(done) == trained:
            raise KeyboardInterrupt
        done.append(job.folder)
        original(job, reporter)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingJob, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _search(tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    _search(tmp_path / "run", resume=True)
    assert _ladder(tmp_path / "run") == _ladder(run)
    assert (tmp_path / "run" / "result.json").read_text() == (run / "result.json").read_text()


def test_at_other_budgets_only_what_was_trained_and_uses_them_comes_first(run: Path) -> None:
    result, table = load_result(run), first_table(run)
    before = result.model_copy(update={"settled": []})
    trained = set(map(tuple, result.settled_paths()))
    assert len(trained) == 5
    for budget in ("30%", "50%", "58%", "60%", "70%", "90%"):
        ((_, bounds),) = budget_bounds(result, table, [budget])
        found, derived = result.derive(bounds), before.derive(bounds)
        assert found == derived or tuple(found) in trained
        assert keeps(found, bounds) and used(found, bounds) >= min(FILL * used(derived, bounds), bounds[0].least)
        assert tuple(result.candidates(bounds, 5)[0]) == tuple(found)
    assert result.ranked([*map(list, trained)])[0] == result.settled_paths()[0]


def test_a_candidate_that_fails_is_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[str] = []

    def try_all(jobs: Sequence[TrainingJob], at_once: int, reporter: Reporter) -> list[TrainedInfo | None]:
        infos: list[TrainedInfo | None] = [*side_by_side.try_all(jobs, at_once, reporter)]
        if not failed:
            failed.append(str(jobs[0].folder))
            infos[0] = None
        return infos

    monkeypatch.setattr(ladder, "try_all", try_all)
    _search(tmp_path / "run")
    rungs = [len(candidate["rungs"]) for candidate in _ladder(tmp_path / "run")["candidates"]]
    assert rungs[:6] == [2, 2, 1, 1, 0, 0]


def test_without_halving_nothing_is_trained(tmp_path: Path) -> None:
    _search(tmp_path / "run", settings=_SETTINGS.model_copy(update={"halving": False}))
    assert not (tmp_path / "run" / LADDER).exists() and not (tmp_path / "run" / "ladder").exists()


def test_the_lead_has_the_error_of_a_difference_of_two_shares() -> None:
    first, second, third = (Candidate((0,), "random", None, [Worth(1.0, share)]) for share in (0.6, 0.5, 0.4))
    found = lead([first, second, third], 400)
    assert found is not None and found["accuracy"] == pytest.approx(0.1)
    assert found["standard_error"] == pytest.approx(math.sqrt((0.24 + 0.25) / 400))
    assert lead([first], 400) is None
