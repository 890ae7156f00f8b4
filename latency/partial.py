"""The samples of a profile that is under way, in a file that survives interruption."""

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from latency.devices import Event
from latency.devices.events import parse_event
from latency.timing import Samples
from proxyless.errors import InputError, one_line
from proxyless.files import output_folder, write_text

_KEPT = ("ready", "sample", "failed", "chosen")
SYNC_S = 1.0
"""So often what was measured is put on the disk: after every event it would disturb what this machine is timing."""


class PartialFile:
    """`TABLE.json.partial`: one line that identifies the profile, then one line per event.

    Opening it restores what an interrupted profile had measured. A line that was cut off by the
    interruption is dropped, and so is a file in which nothing was measured yet.

    Raises:
        InputError: the file belongs to another profile, or cannot be written.
    """

    def __init__(self, table: Path, identity: dict[str, Any]) -> None:
        self.path = table.with_name(table.name + ".partial")
        self.samples = Samples()
        output_folder(table.parent)
        lines = self._complete_lines()
        if lines:
            self._restore(lines, identity)
        self._restored_environment = dict(self.samples.environment)
        events = lines[1:] if self.samples.visits else []
        text = "".join(line + "\n" for line in [json.dumps(identity), *events])
        write_text(self.path, text)
        self._file = self.path.open("a", encoding="utf-8")
        self._next_sync_s = 0.0
        self._holds_samples = bool(self.samples.visits)

    def _complete_lines(self) -> list[str]:
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def _restore(self, lines: list[str], identity: dict[str, Any]) -> None:
        try:
            found = json.loads(lines[0])
            for line in lines[1:]:
                self.samples.add(parse_event(line, kept=True))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.path} is damaged ({one_line(str(error))}); delete it to start over") from None
        if found != identity and not self.samples.visits:
            self.samples = Samples()
        elif found != identity:
            changed = sorted(key for key in identity if not isinstance(found, dict) or found.get(key) != identity[key])
            raise InputError(
                f"{self.path} is an unfinished profile with another {', '.join(changed)}; "
                "finish that one, delete it, or write to another file"
            )

    def add(self, event: Event) -> None:
        """Append an event: it outlives this program, and an end of the machine if that comes `SYNC_S` later.

        Raises:
            InputError: the device is no longer the one that the earlier samples are from.
        """
        if event["event"] == "ready" and (before := self._restored_environment):
            changed = [key for key in ("runtime", "processor") if before.get(key) != event.get(key)]
            if changed:
                raise InputError(
                    f"{self.path} was measured with {changed[0]} {before.get(changed[0])!r}, now it is "
                    f"{event.get(changed[0])!r}; delete the file to start over"
                )
        if event["event"] not in _KEPT:
            return
        self._holds_samples |= event["event"] == "sample"
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()
        if time.monotonic() >= self._next_sync_s:
            os.fsync(self._file.fileno())
            self._next_sync_s = time.monotonic() + SYNC_S

    def delete(self) -> None:
        """The table is written: the samples are no longer needed."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._holds_samples:  # nothing to go on from
            self.path.unlink(missing_ok=True)
