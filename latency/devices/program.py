"""The program that runs on the device: times models, one JSON line per event on standard output.

Usage: python program.py JOB.json

It needs Python 3.8, numpy and the runtime, and nothing of this project: it can be copied to a board.
The runner, a file named in the job, loads a model; see the files in `latency/runners`.
Events: {"event": "ready", ...environment}, {"event": "sample", "id", "round", "ms": [...]},
{"event": "failed", "id", "round", "error"}.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def emit(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def load_runner(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("runner", path)
    assert spec is not None and spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    return runner


def random_input(shape: list[int], dtype: Any, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return rng.standard_normal(shape).astype(dtype)


def time_once(run: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e6


def visit(run: Callable[[], object], job: dict[str, Any]) -> list[float]:
    """Milliseconds of each run: after a warm-up, as many as fit in the visit."""
    spent = 0.0
    while spent < job["warmup_ms"]:
        spent += time_once(run)
    samples: list[float] = []
    spent = 0.0
    while len(samples) < job["min_runs"] or (spent < job["visit_ms"] and len(samples) < job["max_runs"]):
        samples.append(time_once(run))
        spent += samples[-1]
    return samples


def environment(runner: Any) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "runtime": runner.version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "processor": processor_name(),
        "cpus": os.cpu_count(),
        "load_1min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def processor_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def spare_bytes() -> float:
    """How many bytes of model files may be loaded: a quarter of the free memory, as runtimes keep copies."""
    try:
        with open("/proc/meminfo") as file:
            free_kb = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return float("inf")
    return free_kb * 1024 / 4


class Models:
    """Loads each model on its first visit; where memory is short, unloads those that were not used for longest.

    With a runner that says so (`RELOAD`), a model is loaded anew for every visit, and no other is there at that time.
    """

    def __init__(self, job: dict[str, Any], folder: str, runner: Any, limit_bytes: float) -> None:
        self.job, self.folder, self.runner, self.limit_bytes = job, folder, runner, limit_bytes
        self.loaded: dict[str, Callable[[], object]] = {}

    def runnable(self, item: str) -> Callable[[], object]:
        if getattr(self.runner, "RELOAD", False):
            self.loaded.clear()
        run = self.loaded.pop(item, None)
        if run is None:
            self.make_room(self.size_bytes(item))
            run = self.load(item)
        self.loaded[item] = run
        return run

    def path(self, item: str) -> str:
        return os.path.join(self.folder, self.job["items"][item])

    def size_bytes(self, item: str) -> int:
        return os.path.getsize(self.path(item))

    def make_room(self, size_bytes: int) -> None:
        used = sum(map(self.size_bytes, self.loaded))
        while self.loaded and used + size_bytes > self.limit_bytes:
            oldest = next(iter(self.loaded))
            used -= self.size_bytes(oldest)
            del self.loaded[oldest]

    def load(self, item: str) -> Callable[[], object]:
        job = self.job
        run, feed, _, shape, dtype = self.runner.load(self.path(item), job["threads"], job["delegate"], job["batch"])
        feed(random_input(shape, dtype))
        loaded: Callable[[], object] = run
        return loaded


def main(path: str) -> None:
    with open(path) as file:
        job = json.load(file)
    folder = os.path.dirname(os.path.abspath(path))
    runner = load_runner(os.path.join(folder, job["runner"]))
    emit(event="ready", **environment(runner))
    models = Models(job, folder, runner, spare_bytes())
    for number, item in job["schedule"]:
        try:
            samples = visit(models.runnable(item), job)
        except Exception as error:
            emit(event="failed", id=item, round=number, error=f"{type(error).__name__}: {error}")
        else:
            emit(event="sample", id=item, round=number, ms=[round(ms, 6) for ms in samples])


if __name__ == "__main__":
    main(sys.argv[1])
