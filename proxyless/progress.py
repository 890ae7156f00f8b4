"""How long work tells what it is doing."""

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
