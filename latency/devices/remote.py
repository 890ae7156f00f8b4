"""A device with Python: the timing program over a connection."""

import shlex
from collections.abc import Sequence

from latency.devices.attempts import run_schedule
from latency.devices.base import DeviceError, Event, Job, OnEvent
from latency.devices.events import events_only
from latency.devices.lines import Ended, run_lines
from latency.devices.link import Link, call, connection_lost, fill, remove
from latency.devices.pack import Package, pack

BEAT_S = 10.0
"""How often the device hears of us; it gives up after `SILENCE_S` in guard.py."""

PAUSES_S = (2.0, 10.0, 30.0, 60.0)
"""A board that restarts is back within a minute or so."""


class RemoteDevice:
    """Ships models and program, runs them there, and reads the events live.

    The files stay on the device until a job is complete: one that breaks sends nothing twice.
    python: the interpreter there. silence_s: how long the program may stay silent.
    pauses_s: see `run_schedule`.
    """

    def __init__(
        self, link: Link, python: str = "python3", silence_s: float = 120.0, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        self.link, self.python, self.silence_s, self.pauses_s = link, python, silence_s, pauses_s

    @property
    def name(self) -> str:
        return self.link.name

    def run(self, job: Job, on_event: OnEvent) -> None:
        self._check_python()
        folder = f"{self.link.folder}/{pack(job).folder}"

        def attempt(part: Job, record: OnEvent) -> Ended:
            package = pack(part)
            fill(self.link, folder, package.files)
            return self._time(folder, package, record)

        if run_schedule(self.name, job, attempt, on_event, self.pauses_s):
            remove(self.link, folder)

    def _check_python(self) -> None:
        ended, _ = call(self.link, f"{_path(self.python)} -c 'import sys; sys.exit(sys.version_info < (3, 8))'")
        if ended.code in (126, 127):
            raise DeviceError(
                f"{self.name} has no {self.python!r}; install Python 3.8 or later, or name it: ?python=/path/to/it"
            )
        if ended.code:
            raise DeviceError(f"{self.python!r} on {self.name} is not Python 3.8 or later; name one: ?python=/path")

    def _time(self, folder: str, package: Package, on_event: OnEvent) -> Ended:
        codes: list[int] = []

        def on_any(event: Event) -> None:
            if event["event"] == "exit":
                codes.append(event["code"])
            else:
                on_event(event)

        start = f"exec {_path(self.python)} -B {package.guard} {package.program} {package.job}"
        command = self.link.command(f"cd {folder} && {start}")
        ended = run_lines(command, events_only(on_any), self.silence_s, BEAT_S)
        if codes:
            return Ended(codes[0], ended.errors)
        if ended.silent_s:
            return ended
        raise connection_lost(self.link, ended)


def _path(path: str) -> str:
    """A path as a word of the device's shell; `~/` is the home folder there."""
    home = path.startswith("~/")
    return '"$HOME"/' + shlex.quote(path[2:]) if home else shlex.quote(path)
