"""Bring a schedule to its end: past items that hang or crash, and over connections that are lost."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from latency.devices.base import DeviceError, Event, Job, LostError, OnEvent
from latency.devices.lines import Ended
from proxyless.errors import InputError, shown

Attempt = Callable[[Job, OnEvent], Ended]
"""Runs the timing program once, for a job's schedule; LostError when the connection broke."""

_PACKAGES = {"tflite_runtime": "ai-edge-litert"}
"""What to install for a module that is called otherwise; tflite_runtime is the second that the LiteRT runner tries."""


class _Left:
    """The visits not yet reported, in order."""

    def __init__(self, name: str, job: Job, on_event: OnEvent) -> None:
        self.name, self.threads = name, job.threads
        self.visits = dict.fromkeys(job.schedule)
        self.on_event = on_event
        self.ready = False
        self.failed = False

    def record(self, event: Event) -> None:
        if event["event"] == "ready":
            self.ready = True
            self._check_threads(event.get("cpus"))
        self.failed |= event["event"] == "failed"
        if "id" in event:
            visit = (event["round"], event["id"])
            if visit not in self.visits:
                raise DeviceError(
                    f"the device told of a visit that was not asked for, {shown(event['id'])} in round {visit[0]}; "
                    "check what runs there"
                )
            del self.visits[visit]
        self.on_event(event)

    def _check_threads(self, cores: int | None) -> None:
        """Before anything is loaded: thousands of threads take minutes, and more than cores are of no use."""
        if cores is not None and self.threads > cores:
            raise InputError(
                f"{self.threads} threads are more than the {cores} usable cores of {self.name}; ask for at most {cores}"
            )

    def blame(self, reason: str) -> None:
        """The program ended in the first visit that is left: report it, and leave its item alone."""
        number, item = next(iter(self.visits))
        self.record({"event": "failed", "id": item, "round": number, "error": reason})
        self.visits = dict.fromkeys(visit for visit in self.visits if visit[1] != item)


def run_schedule(name: str, job: Job, attempt: Attempt, on_event: OnEvent, pauses_s: Sequence[float] = ()) -> bool:
    """Make every visit once, in as many attempts as it takes; returns whether none failed.

    Without visits the program is only started.

    pauses_s: how long to wait before each new attempt on a lost connection; counted anew after every progress.

    Raises:
        DeviceError: the program does not start, or the connection stayed lost.
        InputError: the device has fewer cores than the job has threads.
    """
    left = _Left(name, job, on_event)
    pauses = list(pauses_s)
    while left.visits or not (job.schedule or left.ready):
        before, left.ready = len(left.visits), False
        try:
            ended = attempt(replace(job, schedule=tuple(left.visits)), left.record)
        except LostError as error:
            pauses = list(pauses_s) if len(left.visits) < before else pauses
            _pause(pauses, error, len(pauses_s))
            continue
        if not left.ready and (left.visits or not job.schedule):
            raise DeviceError(_not_started(name, ended))
        if left.visits:
            left.blame(f"the timing program {ended.reason}")
    return not left.failed


def _pause(pauses: list[float], error: LostError, tries: int) -> None:
    if not pauses:
        raise LostError(f"{error} (tried {tries} times again)" if tries else str(error)) from None
    time.sleep(pauses.pop(0))


def _not_started(name: str, ended: Ended) -> str:
    missing = re.findall(r"No module named '(\w+)", ended.errors)
    if missing:
        package = _PACKAGES.get(missing[-1], missing[-1])
        return f"the Python of {name} has no {package}; install it there: python3 -m pip install {package}"
    return f"the timing program on {name} {ended.reason}"
