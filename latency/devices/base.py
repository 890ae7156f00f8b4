"""What a device is to the profiler: something that runs a timing job and reports event by event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Event = dict[str, Any]
Visit = tuple[int, str]
"""Round number and item."""


@dataclass(frozen=True)
class Job:
    """Models to time.

    items: model file per item id. schedule: visits in order.
    visit_ms: time spent on one visit after `warmup_ms`, in at least `min_runs` and at most `max_runs` runs.
        Visits are short, down to one run: the speed of a machine changes within tens of milliseconds, so many
        short visits in random order repeat better than few long ones.
    """

    runner: Path
    items: Mapping[str, Path]
    schedule: tuple[Visit, ...]
    threads: int = 1
    delegate: str = ""
    batch: int = 1
    warmup_ms: float = 2.0
    visit_ms: float = 5.0
    min_runs: int = 1
    max_runs: int = 50


class Device(Protocol):
    """Where models are timed."""

    @property
    def name(self) -> str:
        """What the user calls it, as given to `--device`."""

    def run(self, job: Job, on_event: Callable[[Event], None]) -> None:
        """Run the job in its own process; call `on_event` for each event as it happens.

        Raises:
            CheckError: the program could not run, died or hung; what was reported stays reported.
        """
