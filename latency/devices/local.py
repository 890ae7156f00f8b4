"""This machine: the device program in a process of its own."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from latency.devices.base import Event, Job
from proxyless.errors import CheckError

PROGRAM = Path(__file__).with_name("program.py")


class LocalDevice:
    """Runs jobs with this Python. timeout_s: how long the program may stay silent."""

    name = "local"

    def __init__(self, timeout_s: float = 120.0) -> None:
        self.timeout_s = timeout_s

    def run(self, job: Job, on_event: Callable[[Event], None]) -> None:
        with tempfile.TemporaryDirectory(prefix="proxyless-") as name, tempfile.TemporaryFile("w+") as errors:
            folder = Path(name)
            command = [sys.executable, str(folder / "program.py"), str(_pack(job, folder))]
            with subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process:
                try:
                    hung = self._read(process, on_event)
                    code = process.wait()
                finally:
                    process.kill()
            if hung:
                raise CheckError(f"the timing program was silent for {self.timeout_s:.0f} s and was stopped")
            if code:
                raise CheckError(f"the timing program failed with exit code {code}: {_last_line(errors)}")

    def _read(self, process: subprocess.Popen[str], on_event: Callable[[Event], None]) -> bool:
        """Pass events on until the program ends; True when it had to be stopped for silence."""
        assert process.stdout is not None
        hung = threading.Event()

        def stop() -> None:
            hung.set()
            process.kill()

        watchdog = threading.Timer(self.timeout_s, stop)
        watchdog.start()
        try:
            for line in process.stdout:
                watchdog.cancel()
                if line.startswith("{"):  # a runtime may print messages of its own
                    on_event(json.loads(line))
                watchdog = threading.Timer(self.timeout_s, stop)
                watchdog.start()
        finally:
            watchdog.cancel()
        return hung.is_set()


def _pack(job: Job, folder: Path) -> Path:
    """Put program, runner and job description into the folder; models stay where they are."""
    shutil.copy(PROGRAM, folder / "program.py")
    # The runners are named after the packages that they import: the copy must not hide them.
    shutil.copy(job.runner, folder / "runner.py")
    description = {
        "runner": "runner.py",
        "items": {item: str(path.resolve()) for item, path in job.items.items()},
        "schedule": job.schedule,
        "threads": job.threads,
        "delegate": job.delegate,
        "batch": job.batch,
        "warmup_ms": job.warmup_ms,
        "visit_ms": job.visit_ms,
        "min_runs": job.min_runs,
        "max_runs": job.max_runs,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(description))
    return path


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    return lines[-1] if lines else "it printed no reason"
