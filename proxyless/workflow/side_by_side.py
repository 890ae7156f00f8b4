"""Trainings of many networks: one after another in this process, or side by side in others."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from proxyless.config import Accelerator
from proxyless.errors import CheckError, InputError
from proxyless.execution import load_choice
from proxyless.files import read_model
from proxyless.processes import world
from proxyless.progress import Record, Reporter
from proxyless.train.config import TrainSettings
from proxyless.train.trained import ARCHITECTURE, DESCRIPTION, TrainedInfo
from proxyless.workflow.pool import Pool, started
from proxyless.workflow.worker import TrainingJob

_MOST = 8


def usual_jobs(device: Accelerator) -> int:
    """How many trainings of small networks a machine does best at once: one per core on a CPU, where small networks
    gain little from several; one on a GPU, whose memory is not known to suffice for more."""
    if _on_gpu(device):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST, cores))


def _on_gpu(device: Accelerator) -> bool:
    return device != "cpu" and torch.cuda.is_available()


def check_jobs(jobs: int | None, device: Accelerator) -> int:
    """Trainings at once: as asked for, or `usual_jobs`.

    Raises:
        InputError: less than one.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {jobs}")
    return usual_jobs(device) if jobs is None else jobs


def train_all(
    jobs: Sequence[TrainingJob], at_once: int, reporter: Reporter, *, alike: bool = False
) -> list[TrainedInfo]:
    """Do all trainings that are not done yet, and those that were interrupted from where they stopped.

    alike: in the arithmetic that was the fastest for the first one.

    Raises:
        InputError: data, a folder or a setting that cannot be used.
        CheckError: a loss became infinite, or a process was killed twice.
    """
    failed: dict[int, CheckError] = {}
    if alike and jobs:
        failed = _train(jobs[:1], at_once, _Progress(len(jobs), reporter))
        jobs = [jobs[0], *(_as_first(job, jobs[0]) for job in jobs[1:])]
    for error in (failed or _train(jobs, at_once, _Progress(len(jobs), reporter))).values():
        raise error
    return [_info(job) for job in jobs]


def train_seeds(
    seeds: Mapping[Path, Sequence[int]], data: str, settings: TrainSettings, at_once: int, reporter: Reporter
) -> dict[Path, list[TrainedInfo]]:
    """Train the networks whose architectures lie in these folders alike, each with its seeds, in sub-folders of them.

    Raises:
        InputError, CheckError: as `train_all`.
    """
    jobs = [
        TrainingJob(
            architecture=place / ARCHITECTURE,
            data=data,
            folder=place / f"seed-{seed}",
            settings=settings.model_copy(update={"seed": seed}),
        )
        for place, own in seeds.items()
        for seed in own
    ]
    infos = iter(train_all(jobs, at_once, reporter, alike=True))
    return {place: [next(infos) for _ in own] for place, own in seeds.items()}


def try_all(jobs: Sequence[TrainingJob], at_once: int, reporter: Reporter) -> list[TrainedInfo | None]:
    """As `train_all`, but one that fails is none of the others' business: None in its place."""
    failed = _train(jobs, at_once, _Progress(len(jobs), reporter), go_on=True)
    return [None if number in failed else _info(job) for number, job in enumerate(jobs)]


def _info(job: TrainingJob) -> TrainedInfo:
    return read_model(job.folder / DESCRIPTION, "trained network", TrainedInfo)


def _as_first(job: TrainingJob, first: TrainingJob) -> TrainingJob:
    choice = load_choice(first.folder)
    if choice is None or job.settings.precision != "auto":
        return job
    settings = job.settings.model_copy(update={"precision": choice.chosen.arithmetic})
    return job.model_copy(update={"settings": settings})


def _train(
    jobs: Sequence[TrainingJob], at_once: int, progress: "_Progress", *, go_on: bool = False
) -> dict[int, CheckError]:
    """Those that failed, by number: all of them, or the first, where it does not `go_on`."""
    failed: dict[int, CheckError] = {}

    def end(number: int, error: CheckError | None) -> None:
        progress.finish(number)
        if error is not None:
            failed[number] = error
            if not go_on:
                raise error

    done = [number for number, job in enumerate(jobs) if (job.folder / DESCRIPTION).exists()]
    left = [number for number in range(len(jobs)) if number not in done]
    progress.finished = len(done)
    if at_once == 1 and world() == 1:
        for number in left:
            end(number, _train_here(jobs[number], _One(progress, number)))
    elif left:
        threads = 0 if _on_gpu(jobs[0].settings.device) else max(1, torch.get_num_threads() // at_once)
        with started(min(at_once, len(left)), threads) as workers:
            Pool(jobs, workers, progress.update, end).run(left)
    return failed


def _train_here(job: TrainingJob, reporter: Reporter) -> CheckError | None:
    try:
        job.run(reporter)
    except CheckError as error:
        return error
    return None


class _Progress:
    """Of all trainings together, in shares of one."""

    def __init__(self, count: int, reporter: Reporter) -> None:
        self.count, self.finished, self.reporter = count, 0, reporter
        self.shares: dict[int, float] = {}

    def update(self, number: int, share: float, status: str) -> None:
        self.shares[number] = share
        self._report(f"{self.finished}/{self.count} trained, {status}")

    def finish(self, number: int) -> None:
        self.shares.pop(number, None)
        self.finished += 1
        self._report(f"{self.finished}/{self.count} trained")

    def _report(self, status: str) -> None:
        done = round(100 * (self.finished + sum(self.shares.values())))
        self.reporter.progress(done, 100 * self.count, status)


class _One:
    """Reports one training of many as a part of all."""

    def __init__(self, progress: _Progress, number: int) -> None:
        self.all, self.number = progress, number

    def progress(self, done: int, total: int, status: str) -> None:
        self.all.update(self.number, done / max(1, total), status)

    def epoch(self, record: Record) -> None:
        pass
