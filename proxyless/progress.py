"""How long work tells what it is doing."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

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


class Stages(Protocol):
    """Is told of work in several stages."""

    def say(self, text: str) -> None:
        """A stage begins, or something is worth a line."""

    def reporting(self, title: str, unit: str) -> AbstractContextManager[Reporter]:
        """Progress of one stage. unit: what it counts."""


class SilentStages:
    """Says nothing."""

    def say(self, text: str) -> None:
        pass

    def reporting(self, title: str, unit: str) -> AbstractContextManager[Reporter]:
        return nullcontext(Silent())
