"""What a connection to another machine must offer, and what is done over any of them."""

import re
import subprocess
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Protocol

from latency.devices.base import DeviceError, LostError
from latency.devices.lines import Ended, last_line, run_lines
from latency.devices.pack import DIGITS, Files

CALL_S = 120.0
"""How long one short command may take."""
_LINES = 100_000
"""That one may print; of more the last ones are read. The files of the largest table are listed in half of it."""


class Link(Protocol):
    """A way to run shell scripts on a device and to put files there.

    name: of the device, as given to `--device`. folder: of all jobs, as a word of the device's shell.
    """

    name: str
    folder: str

    def command(self, script: str) -> list[str]:
        """The command that runs the script in the device's shell; its streams and exit code are the script's."""

    def send(self, files: Files, folder: str) -> None:
        """Put files into a folder that is there.

        Raises:
            DeviceError: no room, or no connection.
        """

    def lost(self, ended: Ended) -> str | None:
        """Why there was no connection, in one sentence; None when there was one."""


def call(link: Link, script: str) -> tuple[Ended, str]:
    """Run a short script; returns how it ended and what it printed.

    Raises:
        LostError: there is no connection.
    """
    lines: deque[str] = deque(maxlen=_LINES)

    def keep(line: str) -> bool:
        lines.append(line)
        return False  # the time is for all of them

    ended = run_lines(link.command(f"({script}); echo exit=$?"), keep, CALL_S)
    # Said in the output, since adb exits with 0 when the connection breaks.
    text, _, code = "".join(lines).rpartition("exit=")
    if ended.silent_s and not re.fullmatch(r"\d{1,3}\s*", code):
        raise LostError(f"{link.name} did not answer within {CALL_S:.0f} s; check that it is on")
    if not re.fullmatch(r"\s*\d{1,3}\s*", code):
        raise connection_lost(link, ended)
    return Ended(int(code), ended.errors), text


def connection_lost(link: Link, ended: Ended) -> LostError:
    """The error for a command that did not say how it ended."""
    reason = f": {last_line(ended.errors)}" if ended.errors.strip() else ""
    return LostError(link.lost(ended) or f"the connection to {link.name} was lost{reason}")


def fill(link: Link, folder: str, files: Files) -> None:
    """Create the folder, and send what is not in it yet, by content."""
    ended, _ = call(link, f"mkdir -p {folder}")
    if ended.code:
        raise DeviceError(f"{link.name} cannot make the folder {folder}: {last_line(ended.errors)}")
    missing = {name: files[name] for name in files.keys() - _present(link, folder)}
    if missing:
        link.send(missing, folder)
        if missing.keys() - _present(link, folder):
            raise DeviceError(f"files arrived damaged on {link.name}; run the same command again")


def _present(link: Link, folder: str) -> set[str]:
    """Files whose name agrees with their content."""
    ended, text = call(link, f"cd {folder} && sha256sum *")
    if ended.code == 127:
        raise DeviceError(f"{link.name} has no sha256sum; install coreutils or busybox there")
    pairs = [line.split(maxsplit=1) for line in text.splitlines()]
    return {pair[1].strip() for pair in pairs if len(pair) == 2 and pair[1].startswith(pair[0][:DIGITS])}


def remove(link: Link, folder: str) -> None:
    """Delete a job's folder, and that of all jobs if it was the last; without a connection they stay."""
    with suppress(LostError):  # everything is measured: no reason to fail
        call(link, f"rm -rf {folder} && rmdir {link.folder} 2>/dev/null")


def failed_to_send(link: Link, folder: str, ended: Ended, files: Files) -> DeviceError:
    """Why files could not be sent."""
    problem = link.lost(ended)
    if problem:
        return LostError(problem)
    if "No space left" in ended.errors:
        need = sum(len(data) if isinstance(data, bytes) else data.stat().st_size for data in files.values()) / 2**20
        return DeviceError(f"{link.name} has no room for {need:.0f} MiB in {folder}; make room and run it again")
    return DeviceError(f"cannot write to {folder} on {link.name}: {last_line(ended.errors)}")


def run_quietly(command: Sequence[str], stdin: IO[bytes] | None = None) -> Ended:
    """Run a local command to its end, however long it takes."""
    source = subprocess.DEVNULL if stdin is None else stdin
    done = subprocess.run(command, stdin=source, capture_output=True, check=False)  # noqa: S603
    return Ended(done.returncode, (done.stderr + done.stdout).decode(errors="replace"))
