"""The latency of exported files: those of one runtime side by side, on the device that the network is for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.checks import Check, at_most
from export.format import ModelFile
from latency.deployed import Conditions, DeployedLatency, Latencies, measure_files
from latency.devices import Device, agreed_devices, find_device, probe
from latency.runtimes import Runtime, find_runtime
from proxyless.addresses import LOCAL, address_of
from proxyless.errors import InputError
from proxyless.space import Architecture, BudgetedTarget, Target

REPEATABILITY = 0.05
"""Share by which two measurements of one network on different occasions may differ, however well a table predicts."""


@dataclass(frozen=True)
class FileLatency:
    """How fast a file is, per call with `batch` images. at_profiled_speed_ms: None where that speed is not known.

    is_target: whether it is the file that the budget is for.
    """

    measured_ms: float
    iqr_ms: float
    measured_on: str
    at_profiled_speed_ms: float | None
    is_target: bool
    threads: int
    batch: int
    checks: tuple[Check, ...]

    def document(self) -> dict[str, Any]:
        names = ("measured_ms", "iqr_ms", "measured_on", "at_profiled_speed_ms", "is_target", "threads", "batch")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Place:
    """Where the files of one runtime are timed. target: the network's, where its runtime is this one; else None."""

    device: Device
    conditions: Conditions
    target: BudgetedTarget | None

    def probe(self) -> None:
        """See that the device answers, and has the runtime.

        Raises:
            DeviceError: it does not.
        """
        probe(self.device, self.conditions.runtime.runner, self.conditions.target)

    def measure(self, files: Mapping[ModelFile, Path]) -> dict[ModelFile, FileLatency]:
        """Time files, in one session.

        Raises:
            CheckError: the device failed.
        """

        def latencies(measured: Latencies) -> dict[ModelFile, FileLatency]:
            return {file: _file_latency(file, measured[file.name], self) for file in files}

        def all_pass(measured: Latencies) -> bool:
            return all(check.passed for found in latencies(measured).values() for check in found.checks)

        paths = {file.name: path for file, path in files.items()}
        return latencies(measure_files(paths, self.device, self.conditions, enough=all_pass))


Places = Mapping[str, Place]
"""By the name of the runtime."""


def find_places(runtimes: Iterable[str], architecture: Architecture, typed: str | None = None) -> Places:
    """Where files are timed: on the target where their runtime is the target's, else on this machine.

    typed: the target's device, as the user gave it; the architecture alone chooses no other than this machine.

    Raises:
        InputError: a device that the user did not name, or a target that the runtime cannot be.
    """
    if typed and architecture.target is None:
        raise InputError(
            f"the network was not derived for a device, so that it is not measured on {typed!r}; leave it out"
        )
    return {runtime: _place(find_runtime(runtime), architecture, typed) for runtime in dict.fromkeys(runtimes)}


def _place(runtime: Runtime, architecture: Architecture, typed: str | None) -> Place:
    target, space = architecture.target, architecture.space
    if target is None or target.runtime != runtime.name or target.dtype not in runtime.dtypes:
        runtime.require()
        here = Target(runtime=runtime.name, threads=target.threads if target else 1, delegate=runtime.delegates[0])
        return Place(find_device(LOCAL), Conditions(here, space), None)
    (device,) = agreed_devices([target.device], [typed] if typed else [])
    runtime.check_target(target, here=device.name == LOCAL)
    return Place(device, Conditions(target.unbudgeted(), space, tuple(target.anchors)), target)


def measure_all(files: Mapping[ModelFile, Path], places: Places) -> dict[ModelFile, FileLatency]:
    """Time every file in its place.

    Raises:
        CheckError: the device failed.
    """
    found: dict[ModelFile, FileLatency] = {}
    for runtime, place in places.items():
        group = {file: path for file, path in files.items() if file.format.runtime == runtime}
        found |= place.measure(group) if group else {}
    return {file: found[file] for file in files}


def _file_latency(file: ModelFile, latency: DeployedLatency, place: Place) -> FileLatency:
    target = place.target
    is_target = target is not None and target.dtype == file.dtype
    return FileLatency(
        measured_ms=latency.measured_ms,
        iqr_ms=latency.iqr_ms,
        measured_on=address_of(place.device.name),
        at_profiled_speed_ms=latency.at_profiled_speed_ms if target else None,
        is_target=is_target,
        threads=place.conditions.target.threads,
        batch=place.conditions.target.batch,
        checks=tuple(_checks(file, latency.at_profiled_speed_ms, target)) if target and is_target else (),
    )


def _checks(file: ModelFile, value: float, target: BudgetedTarget) -> list[Check]:
    checks = [at_most(f"{file.file_name}: latency at the speed of the profile", value, target.budget_ms, " ms")]
    if target.margin is not None:
        expected = target.measured_ms or target.predicted_ms
        name = f"{file.file_name}: latency above what was {'measured' if target.measured_ms else 'predicted'} before"
        checks.append(at_most(name, 100 * (value / expected - 1), 100 * max(target.margin, REPEATABILITY), " %"))
    return checks
