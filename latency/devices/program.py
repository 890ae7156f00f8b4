"""The program that runs on the device: times models, one JSON line per event on standard output.

Usage: python program.py JOB.json [PARENT], where it is to end with the process of that number.

It needs Python 3.8, numpy and the runtime, and nothing of this project: it can be copied to a board.
The runner, a file named in the job, loads a model; see the files in `latency/runners`.
Events: {"event": "ready", ...environment}, {"event": "sample", "id", "round", "ms": [...]},
{"event": "failed", "id", "round", "error"}; for models of any maker (a job with shapes)
{"event": "loaded", "item", "inputs": {name: [shape, dtype]}}; at the end, for a job that asks for it,
{"event": "memory", "peak_bytes"}.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

SHARE = 4
"""Files may fill so much less than the free memory: runtimes keep copies."""


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
    """Any value for images and quantised tensors; wider integers are mostly indices and masks: 0 and 1 exist."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind in "biu":
        wide = kind.kind == "b" or kind.itemsize > 2
        low, high = (0, 1) if wide else (np.iinfo(kind).min, np.iinfo(kind).max)
        return np.asarray(rng.integers(low, high, shape, dtype=kind, endpoint=True))
    return np.asarray(rng.standard_normal(shape, np.float32)).astype(kind)


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
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
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


def proc_bytes(path: str, field: str) -> float:
    """A figure of Linux's /proc in bytes; infinite where there is none."""
    try:
        with open(path) as file:
            return 1024.0 * next(int(line.split()[1]) for line in file if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return float("inf")


class Memory:
    """Resident memory over that of the bare runtime, and a limit: an absurd model fails, other programs do not."""

    def __init__(self, free_bytes: float) -> None:
        random_input([1], "float32")  # numpy's generator belongs to the bare runtime
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # forgets the peak so far
        with suppress(ImportError, OSError, OverflowError, ValueError):  # not Linux, or a stricter limit
            import resource

            limit = int(proc_bytes("/proc/self/status", "VmData") + free_bytes)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self.bare_bytes = proc_bytes("/proc/self/status", "VmRSS")

    def peak_bytes(self) -> int | None:
        peak_bytes = proc_bytes("/proc/self/status", "VmHWM")
        return None if peak_bytes == float("inf") else max(0, int(peak_bytes - self.bare_bytes))


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
        if size_bytes > SHARE * self.limit_bytes:
            gib = size_bytes / 2**30
            raise MemoryError(f"the file has {gib:.1f} GiB, more than is free; free some memory or take a smaller one")
        used = sum(map(self.size_bytes, self.loaded))
        while self.loaded and used + size_bytes > self.limit_bytes:
            oldest = next(iter(self.loaded))
            used -= self.size_bytes(oldest)
            del self.loaded[oldest]

    def load(self, item: str) -> Callable[[], object]:
        job = self.job
        how = (self.path(item), job["threads"], job["delegate"], job["batch"])
        if job.get("shapes") is None:
            run, feed, _, shape, dtype = self.runner.load(*how)
            feed(random_input(shape, dtype))
        else:
            run, feed, _, inputs = self.runner.load_any(*how, job["shapes"])
            arrays = {name: random_input(shape, dtype) for name, (shape, dtype) in inputs.items()}
            emit(event="loaded", item=item, inputs={name: [a.shape, str(a.dtype)] for name, a in arrays.items()})
            if job["batch"] > 1 and not any(a.shape[:1] == (job["batch"],) for a in arrays.values()):
                raise ValueError(f"no input can take a batch of {job['batch']}; leave --batch out")
            feed(arrays)
        loaded: Callable[[], object] = run
        return loaded


def main(path: str) -> None:
    with open(path) as file:
        job = json.load(file)
    folder = os.path.dirname(os.path.abspath(path))
    runner = load_runner(os.path.join(folder, job["runner"]))
    emit(event="ready", **environment(runner))
    free_bytes = proc_bytes("/proc/meminfo", "MemAvailable")
    memory = Memory(free_bytes) if job["memory"] else None
    models = Models(job, folder, runner, free_bytes / SHARE)
    for number, item in job["schedule"]:
        try:
            samples = visit(models.runnable(item), job)
        except Exception as error:
            emit(event="failed", id=item, round=number, error=f"{type(error).__name__}: {error}")
        else:
            emit(event="sample", id=item, round=number, ms=[round(ms, 6) for ms in samples])
    if memory is not None:
        emit(event="memory", peak_bytes=memory.peak_bytes())


def end_with(parent: int) -> None:
    """Have Linux end this process with the one that started it, however that ends; elsewhere nothing."""
    with suppress(Exception):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone already
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        end_with(int(sys.argv[2]))
    main(sys.argv[1])
