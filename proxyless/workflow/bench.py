"""Measure model files of any maker, side by side."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from latency.deployed import runtime_of
from latency.devices import Device, Event, Job, find_device
from latency.foreign import check_shapes, say_signatures, self_contained
from latency.measurement import Measurement
from latency.runtimes import Runtime
from latency.settings import BenchSettings
from latency.timing import Samples, make_schedule, time_models
from proxyless.addresses import LOCAL
from proxyless.errors import InputError
from proxyless.ownership import measuring_on
from proxyless.temporary import temporary_folder
from proxyless.workflow.refusal import refusal

PORTIONS = 4
"""Turns that every process gets, where the files do not share one: drift then hits all of them about alike."""

OnVisit = Callable[[int, int], None]


@dataclass(frozen=True)
class BenchResult:
    """What was measured of a file with so many threads.

    runtime: with its version. peak_bytes: resident memory that loading and running the file added to the bare
    runtime, at its peak; None where the device cannot tell. inputs: shape and type by name, as they were fed; empty
    where the runtime takes only images.
    """

    file: str
    runtime: str
    threads: int
    measurement: Measurement
    peak_bytes: int | None
    inputs: dict[str, tuple[list[int], str]]

    def document(self) -> dict[str, Any]:
        """All of it, in milliseconds; percentiles are over all runs."""
        samples = np.concatenate([np.asarray(samples) for samples in self.measurement.rounds])
        return {
            "file": self.file,
            "runtime": self.runtime,
            "threads": self.threads,
            "inputs": {name: {"shape": shape, "dtype": dtype} for name, (shape, dtype) in self.inputs.items()},
            "ms": self.measurement.ms,
            "min_ms": float(samples.min()),
            **{f"p{share}_ms": float(np.percentile(samples, share)) for share in (50, 90, 99)},
            "iqr_ms": self.measurement.iqr_ms,
            "n": self.measurement.count,
            "peak_memory_bytes": self.peak_bytes,
            "noisy": self.measurement.noisy,
        }


@dataclass
class _Session:
    """Files that are timed in one process: those of one runtime, with one number of threads.

    told: what the device said of each file when it was alone there.
    """

    runtime: Runtime
    job: Job
    samples: Samples = field(default_factory=Samples)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    def try_out(self, device: Device, file: str) -> None:
        """Load and run one file in a process of its own: its memory, and whatever is wrong with it.

        Raises:
            InputError: it cannot be executed so, or with so many threads.
            DeviceError: the device failed.
        """
        events: dict[str, Event] = {}

        def on_event(event: Event) -> None:
            events[event["event"]] = event

        alone = replace(self.job, items={file: self.job.items[file]}, schedule=((0, file),), memory=True)
        device.run(alone, on_event)
        if "failed" in events:
            raise InputError(refusal(file, self.runtime, events["failed"]["error"], self.job.batch))
        self.told[file] = {
            "peak_bytes": events.get("memory", {}).get("peak_bytes"),
            "inputs": events.get("loaded", {}).get("inputs", {}),
        }

    def figures(self, file: str) -> BenchResult:
        told, version = self.told[file], str(self.samples.environment["runtime"])
        measured = self.samples.measurements()[file]
        return BenchResult(file, version, self.job.threads, measured, told["peak_bytes"], told["inputs"])


def bench(
    models: Sequence[Path | str], settings: BenchSettings | None = None, on_visit: OnVisit = lambda done, total: None
) -> list[BenchResult]:
    """Measure files; for each of them one result per number of threads.

    Files of one runtime share a process, and are visited in a new random order in every round. Others cannot: their
    rounds are cut into `PORTIONS`, which take turns in random order.

    Raises:
        InputError: a file that cannot be executed, or a setting that does not suit the files or the device.
        CheckError: a file failed that could be executed before, or the device did.
    """
    settings = settings or BenchSettings()
    device = find_device(settings.device)
    paths = list(dict.fromkeys(map(Path, models)))
    with measuring_on(device.name), temporary_folder() as folder:
        sessions = _sessions(paths, settings, None if device.name == LOCAL else folder)
        for session in sessions:
            for file in session.job.items:
                session.try_out(device, file)
        _check_names(settings, sessions)
        _take_turns(device, sessions, settings.rounds, on_visit)
    return [session.figures(str(path)) for path in paths for session in sessions if str(path) in session.job.items]


def _sessions(paths: Sequence[Path], settings: BenchSettings, to_send: Path | None) -> list[_Session]:
    """to_send: a folder for files that are put together to be sent to a device; None where they stay here."""
    runtimes = {path: runtime_of(path, settings.runtime) for path in paths}
    for path in paths:
        check_shapes(path, settings.shapes)
        say_signatures(path)
    sources = {path: path if to_send is None else self_contained(path, to_send) for path in paths}
    sessions = []
    for threads in sorted(set(settings.threads)):
        for runtime in dict.fromkeys(runtimes.values()):
            if to_send is None:
                runtime.require()
            runtime.check_batch(settings.batch)
            files = {str(path): sources[path] for path in paths if runtimes[path] == runtime}
            shapes = settings.shapes if runtime.loads_any else None
            delegate = runtime.check_delegate(settings.delegate)
            job = Job(runtime.runner, files, (), threads, delegate, settings.batch, shapes=shapes)
            sessions.append(_Session(runtime, job))
    return sessions


def _take_turns(device: Device, sessions: Sequence[_Session], rounds: int, on_visit: OnVisit) -> None:
    """All rounds of all sessions; one that is alone is not interrupted."""
    portions = min(PORTIONS, rounds) if len(sessions) > 1 else 1
    total = rounds * sum(len(session.job.items) for session in sessions)
    order = random.Random(0)  # noqa: S311
    done = 0

    def count(event: Event) -> None:
        nonlocal done
        done += event["event"] == "sample"
        on_visit(done, total)

    for portion in range(portions):
        for session in order.sample(sessions, len(sessions)):
            schedule = make_schedule(list(session.job.items), rounds, seed=0)
            turn = tuple(visit for visit in schedule if visit[0] * portions // rounds == portion)
            time_models(device, replace(session.job, schedule=turn), session.samples, count)


def _check_names(settings: BenchSettings, sessions: Sequence[_Session]) -> None:
    names = {name: None for session in sessions for told in session.told.values() for name in told["inputs"]}
    for name in settings.shapes:
        if name not in names:
            raise InputError(
                f"no file has an input {name!r} to give a shape to; the inputs are {', '.join(names) or 'not known'}"
            )
