"""Measure model files as they will be deployed, next to networks that show how fast the machine is today."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latency.devices import Device, Job
from latency.measurement import Measurement
from latency.runtimes import RUNTIMES, Runtime, find_runtime
from latency.timing import time_files
from latency.writers.graph import lower, random_weights
from proxyless.errors import InputError
from proxyless.space import Anchor, Op, Space

ROUNDS = 21


def runtime_of(path: Path) -> Runtime:
    """The runtime that executes a model file, by its suffix.

    Raises:
        InputError: missing, empty, or an unknown suffix.
    """
    if not path.is_file():
        raise InputError(f"model not found: {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"model {path} is empty; export it again")
    known = {runtime.suffix: runtime for runtime in RUNTIMES.values() if runtime.suffix != ".npz"}
    if path.suffix not in known:
        raise InputError(f"{path} has an unknown suffix; give a file ending in {' or '.join(known)}")
    return known[path.suffix]


@dataclass(frozen=True)
class DeployedLatency:
    """measured_ms: as timed now. slowness: how much slower the machine is now than when the latency table was
    made, from the anchors; 1 when there are none."""

    measured_ms: float
    iqr_ms: float
    slowness: float = 1.0

    @property
    def at_profiled_speed_ms(self) -> float:
        """The latency at the speed that the machine had when the budget was set."""
        return self.measured_ms / self.slowness


def measure_deployed(
    path: Path, device: Device, threads: int, delegate: str, batch: int, space: Space, anchors: list[Anchor]
) -> DeployedLatency:
    """Time a file in rounds with the anchors, networks of `space` with their latency at profiling time."""
    runtime = runtime_of(path)
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        items = {"file": path} | _write_anchors(runtime, space, anchors, batch, Path(folder))
        job = Job(runtime.runner, items, (), threads, delegate, batch)
        measured, _ = time_files(device, job, ROUNDS)
    file = measured["file"]
    if not anchors:
        return DeployedLatency(file.ms, file.iqr_ms)
    reference = [measured[str(index)].round_ms / anchor.ms for index, anchor in enumerate(anchors)]
    per_round = np.median(np.stack(reference), axis=0)
    slowness = file.ms / float(np.median(file.round_ms / per_round))
    return DeployedLatency(file.ms, file.iqr_ms, slowness)


def _write_anchors(
    runtime: Runtime, space: Space, anchors: list[Anchor], batch: int, folder: Path
) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for index, anchor in enumerate(anchors):
        files[str(index)] = folder / f"{index}{runtime.suffix}"
        network = space.network([Op.parse(name) for name in anchor.ops])
        runtime.writer()(lower(network, random_weights(), batch), files[str(index)])
    return files


def measure_networks(
    networks: Mapping[str, tuple[Op, ...]], space: Space, runtime_name: str, device: Device, threads: int
) -> Mapping[str, Measurement]:
    """Time networks of a space, untrained, side by side in one job."""
    runtime = find_runtime(runtime_name)
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = {}
        for index, (name, ops) in enumerate(networks.items()):
            files[name] = Path(folder) / f"{index}{runtime.suffix}"
            runtime.writer()(lower(space.network(ops), random_weights()), files[name])
        job = Job(runtime.runner, files, (), threads, runtime.delegates[0])
        return time_files(device, job, ROUNDS)[0]
