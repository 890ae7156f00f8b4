"""This machine: the device program in a process of its own."""

import json
import os
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

from latency.devices.attempts import run_schedule
from latency.devices.base import Job, OnEvent
from latency.devices.events import events_only
from latency.devices.lines import Ended, run_lines
from latency.devices.pack import PROGRAM, describe
from proxyless.ownership import measuring
from proxyless.temporary import temporary_folder


class LocalDevice:
    """Runs jobs with this Python. silence_s: how long the program may stay silent."""

    name = "local"

    def __init__(self, silence_s: float = 120.0) -> None:
        self.silence_s = silence_s

    def run(self, job: Job, on_event: OnEvent) -> None:
        with measuring() if job.schedule else nullcontext():
            run_schedule(self.name, job, self._attempt, on_event)

    def _attempt(self, job: Job, on_event: OnEvent) -> Ended:
        with temporary_folder() as folder:
            command = [sys.executable, str(folder / "program.py"), str(_pack(job, folder)), str(os.getpid())]
            return run_lines(command, events_only(on_event), self.silence_s)


def _pack(job: Job, folder: Path) -> Path:
    """Put program, runner and job description into the folder; models stay where they are."""
    shutil.copy(PROGRAM, folder / "program.py")
    # The runners are named after the packages that they import: the copy must not hide them.
    shutil.copy(job.runner, folder / "runner.py")
    items = {item: str(path.resolve()) for item, path in job.items.items()}
    path = folder / "job.json"
    path.write_text(json.dumps(describe(job, "runner.py", items)))
    return path
