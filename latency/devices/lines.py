"""Run a command and take its output line by line as it comes, with a limit on its silence."""

import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import IO


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


def last_line(text: str) -> str:
    """The last line that says something: where programs say why they stopped."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed no reason"


def run_lines(
    command: Sequence[str], on_line: Callable[[str], None], silence_s: float, beat_s: float | None = None
) -> Ended:
    """Run the command until it ends, or has been silent for too long.

    beat_s: write an empty line to its standard input so often, which stays open: a sign of life for a
    program on another machine. None means no standard input.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        stdin = subprocess.DEVNULL if beat_s is None else subprocess.PIPE
        with subprocess.Popen(  # noqa: S603
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", errors="replace"
        ) as process:
            assert process.stdout is not None
            over = threading.Event()
            lines: queue.Queue[str | None] = queue.Queue()
            threads = [_start(_read, process.stdout, lines)]
            if process.stdin is not None and beat_s is not None:
                threads.append(_start(_beat, process.stdin, over, beat_s))
            try:
                silent = _pass_on(lines, on_line, silence_s)
                if not silent:
                    process.wait()
            finally:
                process.kill()
                over.set()
                for thread in threads:  # before the pipes are closed under them
                    thread.join()
        errors.seek(0)
        return Ended(process.returncode, errors.read(), silence_s if silent else 0.0)


def _start(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _read(stdout: Iterable[str], lines: "queue.Queue[str | None]") -> None:
    for line in stdout:
        lines.put(line)
    lines.put(None)


def _beat(stdin: IO[str], over: threading.Event, beat_s: float) -> None:
    while not over.wait(beat_s):
        try:
            os.write(stdin.fileno(), b"\n")  # unbuffered: nothing may be left to flush into a closed pipe
        except OSError:  # it ended; the reader notices as well
            return


def _pass_on(lines: "queue.Queue[str | None]", on_line: Callable[[str], None], silence_s: float) -> bool:
    """Hand lines over until there are no more; True when the next one did not come in time."""
    while True:
        try:
            line = lines.get(timeout=silence_s)
        except queue.Empty:
            return True
        if line is None:
            return False
        on_line(line)
