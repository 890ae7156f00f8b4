"""`proxyless bench`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxyless.cli.console import OUT, command, plural, print_json, print_table
from proxyless.cli.options import Json, Threads
from proxyless.errors import CheckError, InputError


@command
def bench(
    models: Annotated[list[Path], typer.Argument(help="Model files, such as .onnx or .tflite.")],
    runtime: Annotated[
        str | None, typer.Option(help="What executes them, where several can. Default: by suffix.")
    ] = None,
    threads: Threads = 1,
    device: Annotated[str, typer.Option(help="Where to measure: local, ssh://user@host or adb:SERIAL.")] = "local",
    delegate: Annotated[str | None, typer.Option(help="How the runtime executes; for litert xnnpack or none.")] = None,
    batch: Annotated[int, typer.Option(help="Images per call.")] = 1,
    rounds: Annotated[int, typer.Option(help="Times that each file is visited, in random order.")] = 40,
    json: Json = False,
) -> None:
    """Measure exported files, side by side where they share a runtime; ms is the mean of the fastest 15 % of visits.

    Example: `proxyless bench model/model.tflite model/model.onnx --threads 2`
    """
    for name, value in (("threads", threads), ("batch", batch), ("rounds", rounds)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    results = _measure(models, runtime, threads, device, delegate, batch, rounds)
    if json:
        print_json(results)
        return
    rows = [
        [
            entry["file"],
            entry["runtime"],
            *(f"{entry[key]:.4g}" for key in ("ms", "min_ms", "p50_ms", "p90_ms", "iqr_ms")),
        ]
        for entry in results
    ]
    print_table(
        f"Latency, {plural(threads, 'thread')}, batch {batch}",
        ("file", "runtime", "ms", "min", "median", "p90", "IQR"),
        rows,
    )
    noisy = [entry["file"] for entry in results if entry["noisy"]]
    if noisy:
        OUT.print(f"the machine is noisy: {', '.join(noisy)} varied by more than 15 %; close other programs")


def _measure(
    models: list[Path],
    runtime_name: str | None,
    threads: int,
    device_name: str,
    delegate: str | None,
    batch: int,
    rounds: int,
) -> list[dict[str, Any]]:
    from latency.deployed import runtime_of
    from latency.devices import DeviceError, Job, find_device
    from latency.timing import time_files

    device, runtimes = find_device(device_name), [runtime_of(path, runtime_name) for path in models]
    results: dict[Path, dict[str, Any]] = {}
    for runtime in dict.fromkeys(runtimes):
        if device.name == "local":
            runtime.require()
        runtime.check_batch(batch)
        files = {str(path): path for path, used in zip(models, runtimes, strict=True) if used == runtime}
        job = Job(runtime.runner, files, (), threads, runtime.check_delegate(delegate), batch)
        try:
            measured, environment = time_files(device, job, rounds)
        except DeviceError:
            raise  # no fault of the model
        except CheckError as error:
            raise InputError(f"{error}; check that the file is a complete model") from None
        for item, path in files.items():
            results[path] = _figures(item, str(environment["runtime"]), measured[item])
    return [results[path] for path in dict.fromkeys(models)]


def _figures(item: str, runtime: str, measurement: Any) -> dict[str, Any]:
    import numpy as np

    samples = np.concatenate([np.asarray(samples) for samples in measurement.rounds])
    return {
        "file": item,
        "runtime": runtime,
        "ms": measurement.ms,
        "min_ms": float(samples.min()),
        "p50_ms": float(np.percentile(samples, 50)),
        "p90_ms": float(np.percentile(samples, 90)),
        "p99_ms": float(np.percentile(samples, 99)),
        "iqr_ms": measurement.iqr_ms,
        "n": measurement.count,
        "noisy": measurement.noisy,
    }
