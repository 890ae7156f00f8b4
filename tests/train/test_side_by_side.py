"""Trainings in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.errors import CheckError, InputError
from proxyless.progress import Record
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.workflow.pool import Worker
from proxyless.workflow.side_by_side import train_all, try_all
from proxyless.workflow.worker import WORK, TrainingJob
from tests.helpers import architecture

_SPACE = tiny_fixed(resolution=16)
_OPS = ("k3e3 " * 9, "k5e6 " * 9, "k3e6 " * 9)

pytestmark = pytest.mark.slow


class _Listening:
    def __init__(self) -> None:
        self.said: list[tuple[int, int, str]] = []

    def progress(self, done: int, total: int, status: str) -> None:
        self.said.append((done, total, status))

    def epoch(self, record: Record) -> None:
        pass


def _jobs(folder: Path, data: str = "synthetic:160") -> list[TrainingJob]:
    jobs = []
    for number, ops in enumerate(_OPS):
        architecture(ops, _SPACE).save(folder / f"{number}.json")
        settings = TrainSettings(epochs=2, batch_size=16, seed=number, device="cpu")
        files = {"architecture": folder / f"{number}.json", "folder": folder / str(number)}
        jobs.append(TrainingJob(**files, data=data, settings=settings))
    return jobs


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainings")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of several has: rounding depends on it
    train_all(_jobs(folder), 1, _Listening())
    torch.set_num_threads(before)
    return folder


def _weights(folder: Path) -> list[bytes]:
    return [(folder / str(number) / "weights.safetensors").read_bytes() for number in range(len(_OPS))]


def test_side_by_side_they_are_what_they_are_one_after_another(one_after_another: Path, tmp_path: Path) -> None:
    reporter = _Listening()
    infos = train_all(_jobs(tmp_path), 2, reporter)
    assert _weights(tmp_path) == _weights(one_after_another) and len(infos) == len(_OPS)
    done = [done for done, _, _ in reporter.said]
    assert done == sorted(done) and reporter.said[-1][:2] == (300, 300)
    before = len(reporter.said)
    assert train_all(_jobs(tmp_path), 2, reporter) == infos and len(reporter.said) == before  # nothing is done twice


def _killing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The first worker is killed once its training has begun, and those that take it up, so many in all."""
    killed: list[int] = []
    original = Worker.events

    def events(worker: Worker) -> list[dict[str, Any]] | None:
        found = original(worker)
        if found and len(killed) < times and any(event["event"] == "progress" for event in found):
            killed.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGKILL)
        return found

    monkeypatch.setattr(Worker, "events", events)
    return killed


def test_a_training_whose_process_is_killed_goes_on_in_another(
    one_after_another: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = _killing(monkeypatch, 1)
    train_all(_jobs(tmp_path), 2, _Listening())
    assert len(killed) == 1 and _weights(tmp_path) == _weights(one_after_another)


def test_one_that_is_killed_again_and_again_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = _killing(monkeypatch, 100)
    with pytest.raises(
        CheckError, match=r"the training in .* failed twice: it was killed by signal 9; .* fewer at once \(--jobs\)"
    ):
        train_all(_jobs(tmp_path), 2, _Listening())
    assert len(killed) >= 2 and not any(_runs(process) for process in killed)


@pytest.mark.parametrize("at_once", [1, 2])
def test_one_that_fails_is_none_of_the_others_business(at_once: int, tmp_path: Path) -> None:
    first, *others = _jobs(tmp_path)
    hot = first.model_copy(update={"settings": first.settings.model_copy(update={"lr": 1e30})})
    failed, *infos = try_all([hot, *others], at_once, _Listening())
    assert failed is None and all(info is not None for info in infos)
    with pytest.raises(CheckError, match="loss"):
        train_all([hot, *others], at_once, _Listening())


def test_what_libraries_print_is_no_event(tmp_path: Path) -> None:
    """Also where they write to the descriptor."""
    (job, *_) = _jobs(tmp_path)
    code = (
        "import os, sys, proxyless.workflow.worker as worker\n"
        "run = worker.TrainingJob.run\n"
        "worker.TrainingJob.run = lambda job, lines: (os.write(1, b'noise'), print('more'), run(job, lines))\n"
        "sys.argv = ['worker', '1']\n"
        "worker.main()\n"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(f"{job.model_dump_json()}\n".encode())
        process.stdin.flush()
        events = [json.loads(line)["event"] for line in iter(process.stdout.readline, b'{"event": "done"}\n')]
        process.stdin.close()
        noise = process.stderr.read()
    assert set(events) == {"progress"} and b"noise" in noise and b"more" in noise


def test_what_is_refused_there_is_refused_here(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        train_all(_jobs(tmp_path, "imagefolder:nowhere"), 2, _Listening())


def test_a_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Also in the middle of a training."""
    (job, *_) = _jobs(tmp_path)
    endless = job.model_copy(update={"settings": job.settings.model_copy(update={"epochs": 10_000})})
    command = [sys.executable, "-c", WORK, "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{endless.model_dump_json()}\n".encode())
        process.stdin.flush()
        assert b"progress" in process.stdout.readline()
        process.stdin.close()
        process.stdout.read()
        assert process.wait(10) == 0


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
