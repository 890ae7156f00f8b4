"""How long work tells what it is doing."""

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from proxyless.errors import printable

EVERY_S = 10.0
"""Without a terminal, work says how it goes no more often, and no less."""

Record = dict[str, Any]
"""One line of a log: what an epoch came to."""


class Reporter(Protocol):
    """Receives progress; the command line draws it."""

    def progress(self, done: int, total: int, status: str) -> None:
        """`done` of `total` steps, with a few words on how it goes."""

    def epoch(self, record: Record) -> None:
        """An epoch is complete and saved."""


class Silent:
    """Reports nothing."""

    def progress(self, done: int, total: int, status: str) -> None:
        pass

    def epoch(self, record: Record) -> None:
        pass


class Warner(ABC):
    """What reporters that speak to people have in common."""

    def __init__(self) -> None:
        self._said = set[str]()

    @abstractmethod
    def progress(self, done: int, total: int, status: str) -> None:
        """As a reporter."""

    @abstractmethod
    def warn(self, text: str) -> None:
        """Show one line."""

    def visits(self, done: int, total: int) -> None:
        """As `progress`, for work that has no more to say than how far it is."""
        self.progress(done, total, "")

    def epoch(self, record: Record) -> None:
        """Each warning once."""
        for warning in record.get("warnings", []):
            if warning not in self._said:
                self._said.add(warning)
                self.warn(printable(f"warning: epoch {record['epoch']}: {warning}"))


class Lines(Warner):
    """Says how it goes in lines on standard error, one in ten seconds: where there is no terminal, and in Python.

    title: of the work. unit: what it counts. write: another place for the lines.
    """

    def __init__(self, title: str, unit: str = "steps", write: Callable[[str], object] | None = None) -> None:
        super().__init__()
        self._title, self._unit, self._write = title, unit, write or _to_stderr
        self._lock = threading.Lock()
        self._start = self._last = self._counting = time.monotonic()
        self._first = self._done = self._total = 0
        self._status = ""

    def progress(self, done: int, total: int, status: str) -> None:
        with self._lock:
            if total != self._total or done < self._done:  # another phase of the work
                self._first, self._counting = done, time.monotonic()
            self._done, self._total, self._status = done, total, status
        self.tick()

    def warn(self, text: str) -> None:
        self._write(text)

    def tick(self) -> None:
        """Say where it is, if that was not said in the last ten seconds."""
        now = time.monotonic()
        with self._lock:
            if now - self._last < EVERY_S:
                return
            self._last = now
            line = self._line(now)
        self._write(line)

    def _line(self, now: float) -> str:
        parts = [f"{self._done}/{self._total} {self._unit}"] if self._total else []
        made, seconds = self._done - self._first, now - self._counting
        if made > 0 and seconds > 0:
            rate = made / seconds
            parts.append(f"{rate:.3g} {self._unit}/s")
            parts.append(f"{_clock((self._total - self._done) / rate)} left")
        parts.append(f"{_clock(now - self._start)} elapsed")
        return printable(f"{self._title}: {', '.join([*parts, *([self._status] if self._status else [])])}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def ticking(lines: Lines) -> Iterator[Lines]:
    """Have the lines come also while the work itself says nothing."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(EVERY_S / 4):
            lines.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        over.set()
        thread.join()


class Stages(Protocol):
    """Is told of work in several stages."""

    def say(self, text: str) -> None:
        """A stage begins, or something is worth a line."""

    def reporting(self, title: str, unit: str) -> AbstractContextManager[Reporter]:
        """Progress of one stage. unit: what it counts."""


class LineStages:
    """Work in several stages, in lines on standard error."""

    def say(self, text: str) -> None:
        _to_stderr(printable(text))

    def reporting(self, title: str, unit: str) -> AbstractContextManager[Reporter]:
        return ticking(Lines(title, unit))
