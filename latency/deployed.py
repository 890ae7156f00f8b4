"""Measure model files as they will be deployed, next to networks that show how fast the machine is today."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latency.devices import Device, Job
from latency.runtimes import RUNTIMES, Runtime, find_runtime
from latency.timing import time_files
from latency.writers.graph import lower, random_weights
from proxyless.errors import InputError
from proxyless.space import Anchor, Op, Space

ROUNDS = 40


def runtime_of(path: Path, name: str | None = None) -> Runtime:
    """The runtime that executes a model file: the one of that name, or the first that has the file's suffix.

    Raises:
        InputError: missing, empty, or a suffix that is unknown or not that runtime's.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the model file in it")
    if not path.is_file():
        raise InputError(f"model not found: {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"model {path} is empty; export it again")
    candidates = RUNTIMES.values() if name is None else [find_runtime(name)]
    for runtime in candidates:
        if path.suffix == runtime.suffix:
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


@dataclass(frozen=True)
class Conditions:
    """How files are executed, and the networks that show how fast the machine is.

    anchors: networks of `space` with the latency that they had under the same conditions when the budget was set.
    dtype: of networks that are written; files are what they are.
    """

    runtime: Runtime
    space: Space
    threads: int = 1
    delegate: str = ""
    batch: int = 1
    anchors: tuple[Anchor, ...] = ()
    dtype: str = "float32"


def measure_files(
    files: Mapping[str, Path], device: Device, conditions: Conditions, rounds: int = ROUNDS
) -> dict[str, DeployedLatency]:
    """Time model files, by name, in rounds with the anchors."""
    runtime, anchors = conditions.runtime, conditions.anchors
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        names = [f"anchor {index}" for index in range(len(anchors))]
        networks = {name: tuple(map(Op.parse, anchor.ops)) for name, anchor in zip(names, anchors, strict=True)}
        items = {**files, **write_networks(networks, conditions, Path(folder))}
        job = Job(runtime.runner, items, (), conditions.threads, conditions.delegate, conditions.batch)
        measured, _ = time_files(device, job, rounds)
    slowness = [measured[name].ms / anchor.ms for name, anchor in zip(names, anchors, strict=True)]
    common = float(np.median(slowness)) if slowness else 1.0
    return {name: DeployedLatency(measured[name].ms, measured[name].iqr_ms, common) for name in files}


def write_networks(networks: Mapping[str, tuple[Op, ...]], conditions: Conditions, folder: Path) -> dict[str, Path]:
    """Write untrained networks as model files; returns them by name."""
    write, suffix = conditions.runtime.writer_of(conditions.dtype), conditions.runtime.suffix
    files = {name: folder / f"network-{index}{suffix}" for index, name in enumerate(networks)}
    for name, ops in networks.items():
        write(lower(conditions.space.network(ops), random_weights(), conditions.batch), files[name])
    return files
