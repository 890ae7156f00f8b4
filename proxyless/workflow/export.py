"""Export a trained network, verify every file and measure it."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.bundle import Contents, staged, write_bundle
from export.checks import Check, Expected, failed
from export.convert import convert_all
from export.format import ModelFile
from export.formats import all_files, find_formats
from export.ladder import Made, quantize
from export.settings import ExportSettings
from export.verify import FileReport, Reference, verify
from proxyless.chance import SEARCHED_AT_CHANCE, accuracy_at_chance, guessing_accuracy
from proxyless.data import Batches, ImageData, ImageSplit, load_data
from proxyless.data.base import limited
from proxyless.errors import CheckError, InputError
from proxyless.host import to_host
from proxyless.ownership import owned_file
from proxyless.progress import Lines, Reporter
from proxyless.search.problem import check_classes
from proxyless.space import Architecture
from proxyless.train.trained import WEIGHTS, Trained, load_trained
from proxyless.workflow.export_latency import FileLatency, find_places, measure_all

Report = dict[str, Any]

_BATCH = 32

_SLOWER = 1.05
"""A file that takes so many times as long as another is slower, whatever the noise."""
_FASTER = {"int8": "; a network that is fast in int8 is found with a table of 'profile --dtype int8'"}
"""What to do about a slow file, by its dtype."""


def export(
    trained: Path | str,
    output: Path | str,
    formats: Sequence[str] = ("onnx", "tflite"),
    data: str | None = None,
    settings: ExportSettings | None = None,
    reporter: Reporter | None = None,
    *,
    device: str | None = None,
) -> Report:
    """Convert, quantize, verify against PyTorch on the test images, measure, and put the folder `output` in place.

    trained: the output folder of `train`. data: test and calibration images; None means the data that it was trained
    on. device: that the network is for, as typed by the user, where it is not this machine. A file of another dtype
    that loses too much accuracy is not in the folder: see `left_out` in the report.

    Raises:
        InputError: not a trained network, an unknown format, packages of it that are not installed, or a device that
            the user did not name.
        CheckError: the device does not answer, or a check failed; an earlier export in `output` is untouched.
    """
    settings, chosen = settings or ExportSettings(), find_formats(formats)
    for format_ in chosen:
        format_.require()
    network = load_trained(Path(trained))
    architecture, target = network.architecture, network.architecture.target
    places = find_places([format_.runtime for format_ in chosen], architecture, device)
    images = _images(network, data)
    reference = _reference(network, images)
    _check_learned(architecture, reference)
    files = all_files(chosen, settings.dtypes(target.dtype if target else "float32"))
    step = _steps(reporter or Lines("export"), 2 * len(files) - len(chosen) + 3)
    with owned_file(Path(output).resolve()), staged(Path(output)) as stage:
        step("looking for the device")
        for place in places.values():
            place.probe()
        step(f"converting to {', '.join(format_.name for format_ in chosen)}")
        convert_all(chosen, architecture, Path(trained) / WEIGHTS, stage)
        made = _make(files, stage, images, reference, settings, step)
        kept = [file for file in files if file not in made or made[file].kept]
        contents = Contents(kept, architecture, network.info.classes, network.info.mean, network.info.std)
        contents.describe(stage)
        reports: dict[ModelFile, FileReport] = {}
        for file in kept:
            step(f"verifying {file.file_name}")
            reports[file] = _verify(file, stage, reference, architecture, made.get(file), settings)
        step("measuring")
        latencies = measure_all({file: stage / file.file_name for file in kept}, places)
        report = _report(images, reference, architecture, reports, latencies, made, settings)
        broken = failed([check for file in kept for check in _checks(reports[file], latencies[file])])
        if broken:
            raise CheckError(f"the export was not written, since checks failed: {'; '.join(map(str, broken))}")
        write_bundle(stage, contents, Path(trained) / WEIGHTS, report)
    return report


def left_out(report: Report) -> str | None:
    """What to tell a user about files that are too far from PyTorch; None where there are none."""
    if not report.get("left_out"):
        return None
    reasons = [f"{name} ({_reasons(entry['attempts'])})" for name, entry in report["left_out"].items()]
    return (
        f"left out with every recipe: {'; '.join(reasons)}; the other files are written; train longer, and for int8 "
        "calibrate on more images or allow more with --max-int8-loss"
    )


def remarks(report: Report) -> list[str]:
    """What a user would want to know of files that passed: those that are slower than the float32 one beside them."""
    files = list(report["files"].values())
    plain = {(entry["runtime"], entry["measured_on"]): entry for entry in files if entry["dtype"] == "float32"}
    pairs = [(entry, plain.get((entry["runtime"], entry["measured_on"]), entry)) for entry in files]
    return [
        f"{entry['file']} takes {entry['measured_ms']:.3g} ms, and {other['file']} {other['measured_ms']:.3g} ms: here "
        f"{entry['dtype']} saves space alone{_FASTER.get(entry['dtype'], '')}"
        for entry, other in pairs
        if entry["measured_ms"] > _SLOWER * other["measured_ms"]
    ]


def _reasons(attempts: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{attempt['recipe']}: {'; '.join(attempt['failed'])}" for attempt in attempts)


def _steps(reporter: Reporter, total: int) -> Callable[[str], None]:
    """Says what begins, in a row of `total` steps."""
    done = itertools.count()
    return lambda what: reporter.progress(next(done), total, what)


def _images(trained: Trained, source: str | None) -> ImageData:
    """The data at the network's resolution, normalised as it was trained."""
    info = trained.info
    data = load_data(source or info.data, trained.architecture.resolution, info.limit, info.classes)
    check_classes(trained.architecture.space, data)
    if not len(data.test):
        raise InputError(f"{data.source} has no test images, on which files are verified; give others with --data")
    return replace(data, mean=info.mean, std=info.std)


def _batches(data: ImageData, split: ImageSplit) -> Iterator[np.ndarray]:
    for images, _ in Batches(data, split, _BATCH, torch.device("cpu")).ordered():
        yield to_host(images.contiguous()).numpy()


@torch.no_grad()
def _reference(trained: Trained, data: ImageData) -> Reference:
    logits = [to_host(trained.network(torch.from_numpy(images))).numpy() for images in _batches(data, data.test)]
    return Reference(lambda: _batches(data, data.test), to_host(data.test.labels).numpy(), np.concatenate(logits))


def _check_learned(architecture: Architecture, reference: Reference) -> None:
    """Raise CheckError for a network that guessing is as good as, or found: its files would pass every other check."""
    if architecture.target and architecture.target.at_chance:
        raise CheckError(f"the export was not written: {SEARCHED_AT_CHANCE}")
    guessing = guessing_accuracy(torch.from_numpy(reference.labels))
    if reference.accuracy <= guessing:
        raise CheckError(f"the export was not written: {accuracy_at_chance(reference.accuracy, guessing)}")


def _make(
    files: Sequence[ModelFile],
    stage: Path,
    data: ImageData,
    reference: Reference,
    settings: ExportSettings,
    step: Callable[[str], None],
) -> dict[ModelFile, Made]:
    """Write the files of other dtypes than float32."""
    others = [file for file in files if file.dtype != "float32"]
    if not others:
        return {}
    chosen = limited(to_host(data.train.labels).numpy(), settings.calibration_images, settings.seed)
    calibration = np.concatenate(list(_batches(data, data.train.take(chosen))))
    made: dict[ModelFile, Made] = {}
    for file in others:
        step(f"writing {file.file_name}")
        made[file] = quantize(file, stage, calibration, reference, _allowed_loss(file, settings))
    return made


def _allowed_loss(file: ModelFile, settings: ExportSettings) -> float | None:
    return settings.max_int8_loss if file.dtype == "int8" else None


def _verify(
    file: ModelFile,
    stage: Path,
    reference: Reference,
    architecture: Architecture,
    made: Made | None,
    settings: ExportSettings,
) -> FileReport:
    expected = Expected.of(architecture.layers)
    recipe = made.recipe if made else None
    return verify(file, stage / file.file_name, reference, expected, recipe, _allowed_loss(file, settings))


def _checks(report: FileReport, latency: FileLatency) -> list[Check]:
    return [*report.checks, *latency.checks]


def _report(
    data: ImageData,
    reference: Reference,
    architecture: Architecture,
    reports: Mapping[ModelFile, FileReport],
    latencies: Mapping[ModelFile, FileLatency],
    made: Mapping[ModelFile, Made],
    settings: ExportSettings,
) -> Report:
    target = architecture.target
    checks = [check for file in reports for check in _checks(reports[file], latencies[file])]
    return {
        "format": "export-report/1",
        "data": data.source,
        "pytorch_accuracy": reference.accuracy,
        "target": target.model_dump(exclude={"anchors"}) if target else None,
        "budget_checked": any(latency.is_target for latency in latencies.values()),
        "files": {file.name: {**report.document(), **latencies[file].document()} for file, report in reports.items()},
        "checks": [asdict(check) for check in checks],
        "calibration_images": min(settings.calibration_images, len(data.train)) if made else 0,
        "max_int8_loss": settings.max_int8_loss,
        "left_out": {file.file_name: asdict(entry) for file, entry in made.items() if not entry.kept},
    }
