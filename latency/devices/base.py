"""What a device is to the profiler: something that runs a timing job and reports event by event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from proxyless.errors import CheckError
from proxyless.space import Target

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
Visit = tuple[int, str]
"""Round number and item."""


class DeviceError(CheckError):
    """The device cannot be used, whatever the model."""


class LostError(DeviceError):
    """There is no connection to the device, or no longer."""


@dataclass(frozen=True)
class Job:
    """Models to time.

    items: model file per item id. schedule: visits in order.
    visit_ms: time spent on one visit after `warmup_ms`, in at least `min_runs` and at most `max_runs` runs.
        Visits are short, down to one run: the speed of a machine changes within tens of milliseconds, so many
        short visits in random order repeat better than few long ones.
    shapes: None for networks as the profiler writes them, with one input of fixed shape per image. Otherwise the
        models may be any, and these are the shapes of inputs, by name, whose dimensions the files leave open.
    memory: tell at the end how much the models took, and give them no more than what is free.
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
    shapes: Mapping[str, Sequence[int]] | None = None
    memory: bool = False

    @staticmethod
    def on(target: Target, runner: Path, items: Mapping[str, Path], schedule: Sequence[Visit] = ()) -> "Job":
        """As the target executes."""
        return Job(runner, items, tuple(schedule), target.threads, target.delegate, target.batch)


class Device(Protocol):
    """Where models are timed."""

    @property
    def name(self) -> str:
        """What the user calls it, as given to `--device`."""

    def run(self, job: Job, on_event: OnEvent) -> None:
        """Visit every item of the schedule in a process of its own; call `on_event` for each event as it happens.

        An item that fails, hangs or kills the program is a "failed" event, not an error. Of a job without visits
        the program is started, which tells whether the runtime is there.

        Raises:
            DeviceError: the program could not run there; what was reported stays reported.
            InputError: the device cannot run such a job.
        """
