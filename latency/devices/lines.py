"""Run a command and take its output line by line as it comes, with a limit on its silence."""

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from proxyless.errors import one_line


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    errors: its standard error. silent_s: how long it was silent, when that is why it was killed, else 0.
    """

    code: int
    errors: str
    silent_s: float = 0.0

    @property
    def reason(self) -> str:
        """What happened, to follow "the timing program"."""
        if self.silent_s:
            return f"was silent for {self.silent_s:.0f} s and was stopped"
        if self.code == -signal.SIGKILL:
            return "was killed, which mostly means that memory ran out; free some, or take a smaller model"
        if self.code < 0 and self.code != -signal.SIGABRT:  # one that aborts says why
            return f"crashed ({signal.Signals(-self.code).name})"
        return f"failed with exit code {self.code}: {last_line(self.errors)}"


MOST_CHARACTERS = 2**20
"""Of a line; longer ones are passed over. Of the standard error, so much of the end is kept."""
_WAITING_LINES = 1000
_LOOK_S = 0.2


def last_line(text: str) -> str:
    """The last line that says something: where programs say why they stopped. Printable and not too long."""
    lines = [line for line in text[-MOST_CHARACTERS:].splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else "it printed no reason"


def run_lines(
    command: Sequence[str], on_line: Callable[[str], bool], silence_s: float, beat_s: float | None = None
) -> Ended:
    """Run the command until it ends, or has been silent for too long.

    on_line: says of each line whether it is a sign of life. beat_s: write an empty line to its standard input so often,
    which stays open: a sign of life for a program on another machine. None means no standard input.
    """
    with tempfile.TemporaryFile() as errors:
        stdin = subprocess.DEVNULL if beat_s is None else subprocess.PIPE
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # it ends with all that it started, which may hold its output
        ) as process:
            assert process.stdout is not None
            over = threading.Event()
            lines: queue.Queue[str | None] = queue.Queue(_WAITING_LINES)
            threads = [_start(_read, process.stdout, lines, over)]
            if process.stdin is not None and beat_s is not None:
                threads.append(_start(_beat, process.stdin, over, beat_s))
            try:
                silent = _pass_on(lines, on_line, silence_s)
                if not silent:
                    process.wait()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                over.set()
                for thread in threads:  # before the pipes are closed under them
                    thread.join()
        return Ended(process.returncode, _end_of(errors), silence_s if silent else 0.0)


def _end_of(errors: IO[bytes]) -> str:
    length = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, length - MOST_CHARACTERS))
    return errors.read().decode("utf-8", errors="replace")


def _start(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _read(stdout: IO[str], lines: "queue.Queue[str | None]", over: threading.Event) -> None:
    """Lines that are too long are left out, without ever being in memory as a whole."""
    goes_on = False
    while part := stdout.readline(MOST_CHARACTERS):
        ends = part.endswith("\n")
        if not goes_on and (ends or len(part) < MOST_CHARACTERS):
            _put(lines, part, over)
        goes_on = not ends
    _put(lines, None, over)


def _put(lines: "queue.Queue[str | None]", line: str | None, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(queue.Full):
            lines.put(line, timeout=_LOOK_S)
            return


def _beat(stdin: IO[str], over: threading.Event, beat_s: float) -> None:
    while not over.wait(beat_s):
        try:
            os.write(stdin.fileno(), b"\n")  # unbuffered: nothing may be left to flush into a closed pipe
        except OSError:  # it ended; the reader notices as well
            return


def _pass_on(lines: "queue.Queue[str | None]", on_line: Callable[[str], bool], silence_s: float) -> bool:
    """Hand lines over until there are no more; True when the next sign of life did not come in time."""
    deadline = time.monotonic() + silence_s
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return True
        if line is None:
            return False
        if on_line(line):
            deadline = time.monotonic() + silence_s
        elif time.monotonic() > deadline:
            return True
