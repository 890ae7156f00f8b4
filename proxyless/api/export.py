"""Export a trained network, verify every file and measure it."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export import Check, FileReport, convert_all, failed, find_formats, verify
from export.bundle import staged, write_descriptions, write_report
from export.format import Format
from latency.deployed import Conditions, DeployedLatency, measure_files
from latency.devices import find_device
from latency.runtimes import find_runtime
from proxyless.data import Batches, ImageData, load_data
from proxyless.errors import CheckError
from proxyless.search.problem import check_classes
from proxyless.space import Architecture
from proxyless.train.trained import WEIGHTS, Trained, load_trained

Report = dict[str, Any]


def export(
    trained: Path | str, output: Path | str, formats: Sequence[str] = ("onnx", "tflite"), data: str | None = None
) -> Report:
    """Convert, verify against PyTorch on the test images, measure, and put the folder `output` in place.

    trained: the output folder of `train`. data: test images; None means the data that it was trained on.

    Raises:
        InputError: not a trained network, an unknown format, or a converter that is not installed.
        CheckError: a check failed; an earlier export in `output` is untouched.
    """
    chosen, folder = find_formats(formats), Path(trained)
    network = load_trained(folder)
    test = _test_data(network, data)
    info = network.info
    with staged(Path(output)) as stage:
        convert_all(chosen, network.architecture, folder / WEIGHTS, stage)
        write_descriptions(stage, chosen, network.architecture, info.classes, info.mean, info.std)
        report, checks = _report(network, test, chosen, stage)
        broken = failed(checks)
        if broken:
            raise CheckError(f"the export was not written, since a check failed: {broken[0]}")
        write_report(stage, report)
    return report


def _test_data(trained: Trained, source: str | None) -> ImageData:

    test = load_data(source or trained.info.data, trained.architecture.space.resolution, trained.info.limit)
    check_classes(trained.architecture.space, test)
    return test


def _report(trained: Trained, data: ImageData, formats: list[Format], stage: Path) -> tuple[Report, list[Check]]:
    images, expected = _reference(trained, data)
    labels = data.test.labels.numpy()
    accuracy = float((expected.argmax(1) == labels).mean())
    strided = sum(spec.stride > 1 for spec in trained.architecture.layers)
    files: dict[str, Report] = {}
    checks: list[Check] = []
    for format_ in formats:
        path = stage / format_.file_name
        result = verify(format_, path, images, labels, expected, strided)
        latency = _measure(path, result, trained.architecture)
        checks += [*result.checks, *_budget_checks(result, latency, trained.architecture)]
        files[format_.name] = {
            **result.document(),
            "measured_ms": latency.measured_ms,
            "iqr_ms": latency.iqr_ms,
            "measured_on": _device_name(result, trained.architecture),
            "at_profiled_speed_ms": latency.at_profiled_speed_ms if _is_target(result, trained.architecture) else None,
        }
    target = trained.architecture.target
    report = {
        "data": data.source,
        "pytorch_accuracy": accuracy,
        "target": target.model_dump(exclude={"anchors"}) if target else None,
        "budget_checked": target is not None and target.runtime in {format_.runtime for format_ in formats},
        "files": files,
        "checks": [asdict(check) for check in checks],
    }
    return report, checks


def _reference(trained: Trained, data: ImageData) -> tuple[np.ndarray, np.ndarray]:
    """Normalised test images (N, 3, H, W) and PyTorch's logits for them."""
    info = trained.info
    as_trained = replace(data, mean=info.mean, std=info.std)
    batches = Batches(as_trained, data.test, 64, torch.device("cpu"))
    with torch.no_grad():
        pairs = [(images, trained.network(images)) for images, _ in batches.ordered()]
    images, logits = (torch.cat(parts).contiguous().numpy() for parts in zip(*pairs, strict=True))
    return images, logits


def _measure(path: Path, result: FileReport, architecture: Architecture) -> DeployedLatency:
    runtime, target = find_runtime(result.runtime), architecture.target
    if target is not None and _is_target(result, architecture):
        conditions = Conditions(
            runtime, architecture.space, target.threads, target.delegate, target.batch, tuple(target.anchors)
        )
    else:
        threads = target.threads if target else 1
        conditions = Conditions(runtime, architecture.space, threads, runtime.delegates[0])
    return measure_files({"file": path}, find_device(_device_name(result, architecture)), conditions)["file"]


def _device_name(result: FileReport, architecture: Architecture) -> str:
    """Where a file is measured: on the device that it is for; a file for no target on this machine."""
    target = architecture.target
    return target.device if target is not None and _is_target(result, architecture) else "local"


def _is_target(result: FileReport, architecture: Architecture) -> bool:
    return architecture.target is not None and architecture.target.runtime == result.runtime


def _budget_checks(result: FileReport, latency: DeployedLatency, architecture: Architecture) -> list[Check]:
    target = architecture.target
    if target is None or not _is_target(result, architecture):
        return []
    value = latency.at_profiled_speed_ms
    name = f"{result.file}: latency at the speed of the profile"
    return [Check(name, value <= target.budget_ms, value, target.budget_ms, " ms")]
