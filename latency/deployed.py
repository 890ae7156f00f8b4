"""Measure model files as they will be deployed, next to networks that show how fast the machine is today."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latency.devices import Device, Job
from latency.measurement import Measurements, repeatability_pct
from latency.runtimes import Runtime, find_runtime, known_runtimes
from latency.timing import time_files
from latency.writers.graph import lower, random_weights
from proxyless.errors import InputError
from proxyless.ownership import measuring_on
from proxyless.space import Anchor, Space, Target
from proxyless.temporary import temporary_folder

ROUNDS = 40

_LOG = logging.getLogger(__name__)

_QUIET, _QUIET_ANCHOR = 0.015, 0.03
"""What slows a session down by less than this, or a single anchor, need not be waited for. Sessions of a quiet machine
differ by 0.3 %, and by 2 % in the worst network."""

_WAITS_S = (10.0, 20.0)
"""Pauses before a disturbed session is repeated."""

_AGREE = 0.005
"""Sessions whose slowness differs by less than this are not disturbed: the device itself has become slower."""


def check_file(path: Path) -> None:
    """Raise InputError unless there is a file with something in it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the model file in it")
    if not path.is_file():
        raise InputError(f"model not found: {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"model {path} is empty; export it again")


def runtime_of(path: Path, name: str | None = None) -> Runtime:
    """The runtime that executes a model file: the one of that name, or the first that has the file's suffix.

    Raises:
        InputError: missing, empty, or a suffix that is unknown or not that runtime's.
    """
    check_file(path)
    candidates = known_runtimes().values() if name is None else [find_runtime(name)]
    for runtime in candidates:
        if path.suffix.lower() == runtime.suffix:
            return runtime
    who = "" if name is None else f" for the runtime {name!r}"
    suffixes = " or ".join(dict.fromkeys(runtime.suffix for runtime in candidates))
    raise InputError(f"{path} has an unknown suffix{who}; give a file ending in {suffixes}")


@dataclass(frozen=True)
class DeployedLatency:
    """The latency of a model file.

    measured_ms: as timed now. slowness: how much slower the machine is now than when the latency table was
    made, from the anchors.
    """

    measured_ms: float
    iqr_ms: float
    slowness: float

    @property
    def at_profiled_speed_ms(self) -> float:
        """The latency at the speed that the machine had when the budget was set."""
        return self.measured_ms / self.slowness


Latencies = dict[str, DeployedLatency]
Enough = Callable[[Latencies], bool]
"""Whether what a disturbed session found will do as it is."""


@dataclass(frozen=True)
class Conditions:
    """How files are executed, and the networks that show how fast the machine is.

    target: its dtype is of networks that are written; files are what they are.
    anchors: networks of `space` with the latency that they had under the same conditions when the budget was set.
    """

    target: Target
    space: Space
    anchors: tuple[Anchor, ...] = ()

    @property
    def runtime(self) -> Runtime:
        return find_runtime(self.target.runtime)


@dataclass(frozen=True)
class _Session:
    """Files and anchors, timed in one process. slowness: of every anchor, against when the budget was set."""

    measured: Measurements
    slowness: tuple[float, ...]

    @property
    def common_slowness(self) -> float:
        return float(np.median(self.slowness)) if self.slowness else 1.0

    @property
    def disturbance(self) -> float:
        """By how much it is slower than undisturbed timings would be, as far as that can be seen."""
        return max(self.common_slowness - 1, 0.0) + repeatability_pct(self.measured) / 100

    @property
    def is_quiet(self) -> bool:
        return self.disturbance <= _QUIET and max(self.slowness, default=1.0) - 1 <= _QUIET_ANCHOR

    def latencies(self, names: Iterable[str]) -> Latencies:
        found = {name: self.measured[name] for name in names}
        return {name: DeployedLatency(one.ms, one.iqr_ms, self.common_slowness) for name, one in found.items()}

    def agrees(self, other: "_Session") -> bool:
        pairs = zip(self.slowness, other.slowness, strict=True)
        return all(abs(one / another - 1) <= _AGREE for one, another in pairs)


def measure_files(
    files: Mapping[str, Path],
    device: Device,
    conditions: Conditions,
    rounds: int = ROUNDS,
    enough: Enough = lambda found: False,
) -> Latencies:
    """Time model files, by name, in rounds with the anchors.

    Other work that slows a device down often passes within a minute. While the anchors tell of some, the session is
    repeated after a pause, and the least disturbed one counts; a device that stays as slow as it was is not waited for,
    nor is any where what was found is `enough`.

    Raises:
        CheckError: the device failed.
    """
    with measuring_on(device.name), temporary_folder() as folder:
        names = [f"anchor {index}" for index in range(len(conditions.anchors))]
        networks = {name: anchor.network() for name, anchor in zip(names, conditions.anchors, strict=True)}
        items = {**files, **write_networks(networks, conditions, folder)}
        sessions = [_time(items, device, conditions, rounds)]
        for wait_s in _WAITS_S if conditions.anchors else ():
            last = sessions[-1]
            lasts = any(last.agrees(before) for before in sessions[-2:-1])
            if last.is_quiet or lasts or enough(last.latencies(files)):
                break
            _LOG.info("something else slows %s down: measuring again in %.0f s", device.name, wait_s)
            time.sleep(wait_s)
            sessions.append(_time(items, device, conditions, rounds))
    return min(sessions, key=lambda session: (not session.is_quiet, session.disturbance)).latencies(files)


def _time(items: Mapping[str, Path], device: Device, conditions: Conditions, rounds: int) -> _Session:
    job = Job.on(conditions.target, conditions.runtime.runner, items)
    measured, _ = time_files(device, job, rounds)
    slowness = [measured[f"anchor {i}"].ms / anchor.ms for i, anchor in enumerate(conditions.anchors)]
    return _Session(measured, tuple(slowness))


def write_networks(networks: Mapping[str, tuple[str, ...]], conditions: Conditions, folder: Path) -> dict[str, Path]:
    """Write untrained networks as model files; returns them by name."""
    write, suffix = conditions.runtime.writer_of(conditions.target.dtype), conditions.runtime.suffix
    files = {name: folder / f"network-{index}{suffix}" for index, name in enumerate(networks)}
    for name, ops in networks.items():
        write(lower(conditions.space.network(ops), random_weights(), conditions.target.batch), files[name])
    return files
