"""What commands share: errors to exit codes, progress on the terminal, tables and JSON on standard output."""

import functools
import io
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from proxyless.errors import CheckError, InputError, printable, said
from proxyless.lifetime import Terminated
from proxyless.processes import is_first, world
from proxyless.progress import Lines, Reporter, Warner, ticking

OUT = Console(quiet=not is_first(), markup=False, highlight=False, emoji=False)
ERR = Console(stderr=True, quiet=not is_first(), markup=False, highlight=False, emoji=False)
"""What is written may hold the names of anybody's files and devices: none of it is read as markup."""

P = ParamSpec("P")
R = TypeVar("R")

_IN_SEVERAL_PROCESSES = ("search", "train")

_KEEP = ("profile", "search", "train", "compare", "rank", "run")
_KEPT = (
    "interrupted: finished measurements and epochs are kept; the same command (with --resume where it has one) goes on "
    "from them"
)

_LAST_WORD_S = 10.0
"""What fails in the first process mostly fails in all: torchrun ends the others before they repeat it."""

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn the failures that a user can cause, or can act on, into one sentence and an exit code."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if world() > 1 and function.__name__ not in _IN_SEVERAL_PROCESSES:
                raise InputError(
                    f"'{function.__name__}' runs in one process, and {world()} were started; start it without torchrun"
                )
            return function(*args, **kwargs)
        except InputError as error:
            _say(f"error: {error}")
            raise typer.Exit(WRONG_INPUT) from None
        except CheckError as error:
            _say(f"failed: {error}")
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt as stopped:
            _say(_KEPT if function.__name__ in _KEEP else "interrupted: what was not complete is not kept")
            raise typer.Exit(stopped.exit_code if isinstance(stopped, Terminated) else INTERRUPTED) from None
        except BrokenPipeError:  # whoever read the output has seen enough: click ends quietly
            raise
        except OSError as error:
            _say(f"failed: {error}")
            raise typer.Exit(FAILED) from None
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            _say(
                f"failed: out of memory ({said(error)}); end other programs, or use "
                "a smaller --batch-size where the command has one"
            )
            raise typer.Exit(FAILED) from None

    return wrapped


def _is_out_of_memory(error: Exception) -> bool:
    """PyTorch has no one class for it, but words: of its own, of CUDA's and of cuBLAS'."""
    said_so = any(words in str(error) for words in ("out of memory", "allocate memory", "ALLOC_FAILED"))
    return isinstance(error, MemoryError) or said_so


def _say(text: str) -> None:
    if not is_first():
        time.sleep(_LAST_WORD_S)
    sys.stderr.write(printable(text) + "\n")


class _Notices(logging.Handler):
    """Writes to standard error, above any progress; what was said already is not said again."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = printable(record.getMessage())
        if text not in self._said or record.name.startswith("latency"):  # where measuring waits again, it says so again
            self._said.add(text)
            ERR.print(text, soft_wrap=True)


def write_anything() -> None:
    """Names of files may have letters that the output's encoding lacks: these are written as codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_notices() -> None:
    """Show what long measurements have to say meanwhile."""
    for name in ("latency", "proxyless"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers = [_Notices()]


def say_warnings(warnings: Sequence[str]) -> None:
    """One line each, on standard error."""
    for warning in warnings:
        ERR.print(f"warning: {printable(warning)}", style="bold", soft_wrap=True)


def plural(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    if is_first():
        sys.stdout.write(json.dumps(document, indent=1) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; the first column is text, the others are figures. Facts, without column names, are all text."""
    has_header = any(columns)
    table = Table(title=printable(title), title_justify="left", show_header=has_header)
    for index, column in enumerate(columns):
        justify: JustifyMethod = "right" if has_header and index > 0 else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=all(_is_figure(row[index]) for row in rows))
    for row in rows:
        table.add_row(*map(printable, row))
    OUT.print(table)


def _is_figure(cell: str) -> bool:
    """What is not to be broken over lines."""
    return len(cell) < 12 and (not cell or cell[0] in "-+.0123456789")


class TerminalReporter(Warner):
    """Progress with rate and time left, as a bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        super().__init__()
        self._progress, self._task = progress, task

    def progress(self, done: int, total: int, status: str) -> None:
        if self._progress.tasks[0].total != total:  # another phase of the work
            self._progress.reset(self._task, total=total, completed=done)
        self._progress.update(self._task, completed=done, status=status)

    def warn(self, text: str) -> None:
        """Above the progress."""
        self._progress.console.print(text, soft_wrap=True)


@contextmanager
def reporting(title: str, unit: str) -> Iterator[TerminalReporter | Lines]:
    """Show the progress of one piece of work; `unit` is what is counted, for the rate.

    On a terminal it is a bar; elsewhere, such as in a log, a line in ten seconds.
    """
    if ERR.is_terminal or ERR.quiet:
        with Progress(*progress_columns(unit), console=ERR, disable=ERR.quiet, transient=True, expand=True) as progress:
            yield TerminalReporter(progress, progress.add_task(printable(title), total=None, status=""))
    else:
        with ticking(Lines(title, unit)) as lines:
            yield lines


def progress_columns(unit: str) -> Sequence[ProgressColumn]:
    """In 80 characters: the figures are shown whole, and what is too long is title or status."""
    return (
        TextColumn("{task.description}", markup=False, table_column=_short(1)),
        BarColumn(bar_width=8),
        MofNCompleteColumn(table_column=_whole()),
        _Rate(unit),
        TimeElapsedColumn(table_column=_whole()),
        TimeRemainingColumn(table_column=_whole()),
        TextColumn("left", table_column=_whole()),
        TextColumn("{task.fields[status]}", markup=False, table_column=_short(2)),
    )


def _whole() -> Column:
    return Column(no_wrap=True)


def _short(ratio: int) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", ratio=ratio)


class TerminalStages:
    """Work in several stages, on the terminal."""

    def say(self, text: str) -> None:
        ERR.print(printable(text), style="bold", soft_wrap=True)

    def reporting(self, title: str, unit: str) -> AbstractContextManager[Reporter]:
        return reporting(title, unit)


class _Rate(TextColumn):
    """Steps per second."""

    def __init__(self, unit: str) -> None:
        super().__init__("", table_column=_whole())
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self.unit}/s" if speed else "")
