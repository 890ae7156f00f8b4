"""The latency of exported files: those of one runtime side by side, on the device that the network is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.checks import Check, at_most
from export.format import ModelFile
from latency.deployed import Conditions, DeployedLatency, measure_files
from latency.devices import find_device
from latency.runtimes import find_runtime
from proxyless.space import Architecture, Target

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


def measure_all(files: Mapping[ModelFile, Path], architecture: Architecture) -> dict[ModelFile, FileLatency]:
    """Time every file, on the target where its runtime is the target's, else on this machine.

    Raises:
        CheckError: the device failed.
    """
    found: dict[ModelFile, FileLatency] = {}
    for runtime in dict.fromkeys(file.format.runtime for file in files):
        group = {file: path for file, path in files.items() if file.format.runtime == runtime}
        found |= _measure(group, runtime, architecture)
    return {file: found[file] for file in files}


def _measure(files: Mapping[ModelFile, Path], runtime: str, architecture: Architecture) -> dict[ModelFile, FileLatency]:
    target = architecture.target
    here = target if target is not None and target.runtime == runtime else None
    device = here.device if here else "local"
    named = {file.name: path for file, path in files.items()}
    conditions = _conditions(runtime, architecture, here)
    measured = measure_files(named, find_device(device), conditions)
    return {file: _file_latency(file, measured[file.name], device, here, conditions) for file in files}


def _conditions(runtime: str, architecture: Architecture, target: Target | None) -> Conditions:
    found = find_runtime(runtime)
    if target is None:
        threads = architecture.target.threads if architecture.target else 1
        return Conditions(found, architecture.space, threads, found.delegates[0])
    return Conditions(
        found,
        architecture.space,
        target.threads,
        target.delegate,
        target.batch,
        tuple(target.anchors),
        target.dtype,
    )


def _file_latency(
    file: ModelFile, latency: DeployedLatency, device: str, target: Target | None, conditions: Conditions
) -> FileLatency:
    """target: of the conditions under which it was measured, if they are a target's."""
    is_target = target is not None and target.dtype == file.dtype
    return FileLatency(
        measured_ms=latency.measured_ms,
        iqr_ms=latency.iqr_ms,
        measured_on=device,
        at_profiled_speed_ms=latency.at_profiled_speed_ms if target else None,
        is_target=is_target,
        threads=conditions.threads,
        batch=conditions.batch,
        checks=tuple(_checks(file, latency.at_profiled_speed_ms, target)) if target and is_target else (),
    )


def _checks(file: ModelFile, value: float, target: Target) -> list[Check]:
    checks = [at_most(f"{file.file_name}: latency at the speed of the profile", value, target.budget_ms, " ms")]
    if target.margin is not None:
        expected = target.measured_ms or target.predicted_ms
        name = f"{file.file_name}: latency above what was {'measured' if target.measured_ms else 'predicted'} before"
        checks.append(at_most(name, 100 * (value / expected - 1), 100 * max(target.margin, REPEATABILITY), " %"))
    return checks
