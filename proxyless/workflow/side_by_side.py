"""Trainings of many networks: one after another, or side by side in processes of their own."""

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

import torch

from proxyless.errors import CheckError, InputError
from proxyless.files import read_model
from proxyless.progress import Record, Reporter
from proxyless.space import Architecture
from proxyless.train.trained import DESCRIPTION, TrainedInfo
from proxyless.workflow.train import train
from proxyless.workflow.worker import TrainingJob

_TRIES = 2
"""Of a training whose process was killed: by the system, where memory ends."""
_MOST = 8
_OF_SEVERAL_PROCESSES = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""By which `torchrun` tells a process that it is one of several: a worker is not."""


def usual_jobs() -> int:
    """How many trainings of small networks a machine does best at once: one per core on a CPU, where small networks
    gain little from several; one on a GPU, whose memory is not known to suffice for more."""
    if torch.cuda.is_available():
        return 1
    return max(1, min(_MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def check_jobs(jobs: int | None) -> int:
    """Trainings at once: as asked for, or `usual_jobs`.

    Raises:
        InputError: less than one.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {jobs}")
    return usual_jobs() if jobs is None else jobs


def train_all(
    jobs: Sequence[TrainingJob],
    at_once: int,
    reporter: Reporter,
    alike: Callable[[TrainingJob], TrainingJob] | None = None,
) -> list[TrainedInfo]:
    """Do all trainings that are not done yet, and those that were interrupted from where they stopped.

    alike: what the others become when the first one is done.

    Raises:
        InputError: data, a folder or a setting that cannot be used.
        CheckError: a loss became infinite, or a process was killed twice.
    """
    left = [number for number, job in enumerate(jobs) if not (job.folder / DESCRIPTION).exists()]
    progress = _Progress(len(jobs), len(jobs) - len(left), reporter)
    if alike is not None:
        if left and left[0] == 0:
            _train_here(jobs[0], progress.of(left.pop(0)))
            progress.finish(0)
        jobs = [jobs[0], *map(alike, jobs[1:])]
    if at_once == 1 or len(left) == 1:
        for number in left:
            _train_here(jobs[number], progress.of(number))
            progress.finish(number)
    elif left:
        with _workers(min(at_once, len(left))) as workers:
            _Pool(jobs, workers, progress).run(left)
    return [read_model(job.folder / DESCRIPTION, "trained network", TrainedInfo) for job in jobs]


def _train_here(job: TrainingJob, reporter: Reporter) -> None:
    network = Architecture.load(job.architecture)
    train(network, job.data, job.folder, job.settings, init=job.init, resume=True, reporter=reporter)


class _Progress:
    """Of all trainings together, in shares of one."""

    def __init__(self, count: int, finished: int, reporter: Reporter) -> None:
        self.count, self.finished, self.reporter = count, finished, reporter
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

    def of(self, number: int) -> Reporter:
        return _One(self, number)


class _One:
    """Reports one training of many as a part of all."""

    def __init__(self, progress: _Progress, number: int) -> None:
        self.all, self.number = progress, number

    def progress(self, done: int, total: int, status: str) -> None:
        self.all.update(self.number, done / max(1, total), status)

    def epoch(self, record: Record) -> None:
        pass


class _Worker:
    """A process that trains what it is given. threads: that it may use; 0 for its own choice."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.unfinished = b""
        command = [sys.executable, "-P", "-m", "proxyless.workflow.worker", str(self.threads)]
        environment = {name: value for name, value in os.environ.items() if name not in _OF_SEVERAL_PROCESSES}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what was read but not looked at would not wake the selector
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the others
        )

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def give(self, job: TrainingJob) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # that it died is heard at the other end
            self.process.stdin.write(f"{job.model_dump_json()}\n".encode())

    def events(self) -> list[dict[str, str]] | None:
        """What it said since; None where it died."""
        read = os.read(self.output.fileno(), 2**16)
        *lines, self.unfinished = (self.unfinished + read).split(b"\n")
        return [json.loads(line) for line in lines] if read else None

    def restart(self) -> None:
        self.end()
        self.process = self._start()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def _workers(count: int) -> Iterator[list[_Worker]]:
    threads = 0 if torch.cuda.is_available() else max(1, torch.get_num_threads() // count)
    workers: list[_Worker] = []
    try:
        workers.extend(_Worker(threads) for _ in range(count))
        yield workers
    finally:
        for worker in workers:
            worker.end()


class _Pool:
    """Gives every idle worker the next training, and hears what all of them say."""

    def __init__(self, jobs: Sequence[TrainingJob], workers: Sequence[_Worker], progress: _Progress) -> None:
        self.jobs, self.workers, self.progress = jobs, workers, progress
        self.busy: dict[_Worker, int] = {}
        self.tries: dict[int, int] = {}
        self.waiting: deque[int] = deque()

    def run(self, numbers: Sequence[int]) -> None:
        self.waiting.extend(numbers)
        with selectors.DefaultSelector() as selector:
            for idle in self.workers:
                self._listen(selector, idle)
            while self.busy:
                for key, _ in selector.select():
                    worker: _Worker = key.data
                    events = worker.events()
                    for event in events or ():
                        self._hear(worker, event)
                    if events is None:
                        selector.unregister(key.fileobj)
                        self._bury(worker)
                        self._listen(selector, worker)

    def _listen(self, selector: selectors.BaseSelector, worker: _Worker) -> None:
        selector.register(worker.output, selectors.EVENT_READ, worker)
        self._next(worker)

    def _next(self, worker: _Worker) -> None:
        self.busy.pop(worker, None)
        if self.waiting:
            self.busy[worker] = number = self.waiting.popleft()
            worker.give(self.jobs[number])

    def _hear(self, worker: _Worker, event: dict[str, str]) -> None:
        number = self.busy[worker]
        match event["event"]:
            case "progress":
                self.progress.update(number, int(event["done"]) / max(1, int(event["total"])), event["status"])
            case "done":
                self.progress.finish(number)
                self._next(worker)
            case "refused":
                raise InputError(event["text"])
            case _:
                raise CheckError(event["text"])

    def _bury(self, worker: _Worker) -> None:
        """A worker that died: its training goes on from its last epoch in another."""
        number = self.busy.pop(worker, None)
        worker.restart()
        if number is None:
            return
        self.tries[number] = self.tries.get(number, 0) + 1
        if self.tries[number] >= _TRIES:
            raise CheckError(
                f"the training in {self.jobs[number].folder} was killed twice; if memory is what is missing, use fewer "
                "--jobs"
            )
        self.waiting.appendleft(number)
