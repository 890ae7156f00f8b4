"""Processes that train networks for this one."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from proxyless.errors import CheckError, InputError
from proxyless.workflow.worker import WORK, TrainingJob

_TRIES = 2
"""Of a training whose process was killed: by the system, where memory ends."""
_ENDS_S = 10.0
_OF_SEVERAL_PROCESSES = ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""By which `torchrun` tells a process that it is one of several: a worker is not."""

OnProgress = Callable[[int, float, str], None]
"""The number of a job, what share of it is done, and a few words."""
OnEnd = Callable[[int, CheckError | None], None]
"""The number of a job, and how it failed."""


class Worker:
    """A process that trains what it is given. threads: that it may use; 0 for its own choice."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.unfinished = b""
        command = [sys.executable, "-P", "-c", WORK, str(self.threads)]
        environment = {name: value for name, value in os.environ.items() if name not in _OF_SEVERAL_PROCESSES}
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
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

    def events(self) -> list[dict[str, Any]] | None:
        """What it said since; None where it died."""
        read = os.read(self.output.fileno(), 2**16)
        *lines, self.unfinished = (self.unfinished + read).split(b"\n")
        return [json.loads(line) for line in lines] if read else None

    def how_it_died(self) -> str:
        try:
            code = self.process.wait(_ENDS_S)  # its output ends a little before it does
        except subprocess.TimeoutExpired:
            return "ended its output"
        memory = "; if memory is what is missing, train fewer at once (--jobs)" if code == -signal.SIGKILL else ""
        return f"ended with {code}" if code >= 0 else f"was killed by signal {-code}{memory}"

    def restart(self) -> None:
        self.end()
        self.process = self._start()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def started(count: int, threads: int) -> Iterator[list[Worker]]:
    """So many workers, which end with the block."""
    workers: list[Worker] = []
    try:
        workers.extend(Worker(threads) for _ in range(count))
        yield workers
    finally:
        for worker in workers:
            worker.end()


class Pool:
    """Gives every idle worker the next training, and hears what all of them say."""

    def __init__(
        self, jobs: Sequence[TrainingJob], workers: Sequence[Worker], on_progress: OnProgress, on_end: OnEnd
    ) -> None:
        self.jobs, self.workers, self.on_progress, self.on_end = jobs, workers, on_progress, on_end
        self.busy: dict[Worker, int] = {}
        self.tries: dict[int, int] = {}
        self.waiting: deque[int] = deque()

    def run(self, numbers: Sequence[int]) -> None:
        """Do the jobs of these numbers.

        Raises:
            InputError: one of them was refused.
        """
        self.waiting.extend(numbers)
        with selectors.DefaultSelector() as selector:
            for idle in self.workers:
                self._listen(selector, idle)
            while self.busy:
                for key, _ in selector.select():
                    worker: Worker = key.data
                    events = worker.events()
                    for event in events or ():
                        self._hear(worker, event)
                    if events is None:
                        selector.unregister(key.fileobj)
                        self._bury(worker)
                        self._listen(selector, worker)

    def _listen(self, selector: selectors.BaseSelector, worker: Worker) -> None:
        selector.register(worker.output, selectors.EVENT_READ, worker)
        self._next(worker)

    def _next(self, worker: Worker) -> None:
        self.busy.pop(worker, None)
        if self.waiting:
            self.busy[worker] = number = self.waiting.popleft()
            worker.give(self.jobs[number])

    def _hear(self, worker: Worker, event: dict[str, Any]) -> None:
        number = self.busy[worker]
        match event["event"]:
            case "progress":
                self.on_progress(number, event["done"] / max(1, event["total"]), event["status"])
            case "refused":
                raise InputError(event["text"])
            case _:
                self.on_end(number, CheckError(event["text"]) if event["event"] == "failed" else None)
                self._next(worker)

    def _bury(self, worker: Worker) -> None:
        """A worker that died: its training goes on from its last epoch in another."""
        number, death = self.busy.pop(worker, None), worker.how_it_died()
        worker.restart()
        if number is None:
            return
        self.tries[number] = self.tries.get(number, 0) + 1
        if self.tries[number] < _TRIES:
            self.waiting.appendleft(number)
        else:
            self.on_end(number, CheckError(f"the training in {self.jobs[number].folder} failed twice: it {death}"))
