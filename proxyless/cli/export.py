"""`proxyless export`"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import command, print_json, print_table
from proxyless.cli.options import Json, Output
from proxyless.errors import CheckError

if TYPE_CHECKING:
    import numpy as np

    from export.format import Format
    from export.verify import Check, FileReport
    from latency.deployed import DeployedLatency
    from proxyless.data import ImageData
    from proxyless.space import Architecture
    from proxyless.train.trained import Trained

Report = dict[str, Any]


@command
def export(
    trained: Annotated[Path, typer.Argument(help="The output folder of 'train'.")],
    output: Output,
    formats: Annotated[str, typer.Option("--format", help="Formats to write, separated by commas.")] = "onnx,tflite",
    data: Annotated[str | None, typer.Option(help="Test images. Default: the data that it was trained on.")] = None,
    json: Json = False,
) -> None:
    """Export a trained network, verify every file against PyTorch and measure it; nothing is kept if a check fails.

    Example: `proxyless export trained --format onnx,tflite -o model`
    """
    from export.formats import find_formats

    names = [name.strip() for name in formats.split(",") if name.strip()]
    report = export_to_folder(trained, output, find_formats(names), data)
    if json:
        print_json(report)
    else:
        print_report(output, report)


def export_to_folder(trained_folder: Path, output: Path, formats: "list[Format]", source: str | None) -> Report:
    """Convert, verify, measure, and put the folder in place.

    Raises:
        CheckError: a check failed; an earlier export in `output` is untouched.
    """
    from export.bundle import staged, write_descriptions, write_report
    from export.convert import convert_all
    from proxyless.train.trained import WEIGHTS, load_trained

    trained = load_trained(trained_folder)
    test = _test_data(trained, source)
    with staged(output) as stage:
        convert_all(formats, trained.architecture, trained_folder / WEIGHTS, stage)
        write_descriptions(
            stage, formats, trained.architecture, trained.info.classes, trained.info.mean, trained.info.std
        )
        report = _report(trained, test, formats, stage)
        broken = [check for check in report["checks"] if not check["passed"]]
        if broken:
            raise CheckError(
                f"the export was not written, since a check failed: {broken[0]['name']} is {broken[0]['value']:.4g}"
                f"{broken[0]['unit']}, the limit is {broken[0]['limit']:.4g}{broken[0]['unit']}"
            )
        write_report(stage, report)
    return report


def _test_data(trained: "Trained", source: str | None) -> "ImageData":
    from proxyless.data import load_data
    from proxyless.search.loop import check_classes

    test = load_data(source or trained.info.data, trained.architecture.space.resolution, trained.info.limit)
    check_classes(trained.architecture.space, test)
    return test


def _report(trained: "Trained", data: "ImageData", formats: "list[Format]", stage: Path) -> Report:
    from export.verify import verify

    images, expected = _reference(trained, data)
    labels = data.test.labels.numpy()
    accuracy = float((expected.argmax(1) == labels).mean())
    files, checks = {}, []
    for format_ in formats:
        path = stage / format_.file_name
        result = verify(format_, path, images, labels, expected)
        latency = _measure(path, result, trained.architecture)
        checks += [*result.checks, *_budget_checks(result, latency, trained.architecture)]
        files[format_.name] = {
            **result.document(),
            "measured_ms": latency.measured_ms,
            "iqr_ms": latency.iqr_ms,
            "at_profiled_speed_ms": latency.at_profiled_speed_ms if _is_target(result, trained.architecture) else None,
        }
    target = trained.architecture.target
    return {
        "data": data.source,
        "pytorch_accuracy": accuracy,
        "target": target.model_dump(exclude={"anchors"}) if target else None,
        "files": files,
        "checks": [vars(check) for check in checks],
    }


def _reference(trained: "Trained", data: "ImageData") -> "tuple[np.ndarray, np.ndarray]":
    """Normalised test images (N, 3, H, W) and PyTorch's logits for them."""
    import torch

    from proxyless.data import Batches

    info = trained.info
    as_trained = replace(data, mean=info.mean, std=info.std)
    batches = Batches(as_trained, data.test, 64, torch.device("cpu"))
    with torch.no_grad():
        pairs = [(images, trained.network(images)) for images, _ in batches.ordered()]
    images, logits = (torch.cat(parts).contiguous().numpy() for parts in zip(*pairs, strict=True))
    return images, logits


def _measure(path: Path, result: "FileReport", architecture: "Architecture") -> "DeployedLatency":
    from latency.deployed import Conditions, measure_files
    from latency.devices import find_device
    from latency.runtimes import find_runtime

    runtime, target = find_runtime(result.runtime), architecture.target
    if target is not None and _is_target(result, architecture):
        conditions = Conditions(
            runtime, architecture.space, target.threads, target.delegate, target.batch, tuple(target.anchors)
        )
    else:
        threads = target.threads if target else 1
        conditions = Conditions(runtime, architecture.space, threads, runtime.delegates[0])
    return measure_files({"file": path}, find_device("local"), conditions)["file"]


def _is_target(result: "FileReport", architecture: "Architecture") -> bool:
    return architecture.target is not None and architecture.target.runtime == result.runtime


def _budget_checks(result: "FileReport", latency: "DeployedLatency", architecture: "Architecture") -> "list[Check]":
    from export.verify import Check

    target = architecture.target
    if target is None or not _is_target(result, architecture):
        return []
    value = latency.at_profiled_speed_ms
    name = f"{result.file}: latency at the speed of the profile"
    return [Check(name, value <= target.budget_ms, value, target.budget_ms, " ms")]


def print_report(output: Path, report: Report) -> None:
    """One line per file, and the budget."""
    rows = [["PyTorch", f"{report['pytorch_accuracy']:.2%}", "", "", "", ""]]
    rows += [
        [
            entry["file"],
            f"{entry['accuracy']:.2%}",
            f"{entry['max_abs_error']:.1e}",
            f"{entry['size_bytes'] / 2**20:.2f}",
            f"{entry['measured_ms']:.3g}",
            f"{entry['at_profiled_speed_ms']:.3g}" if entry["at_profiled_speed_ms"] else "",
        ]
        for entry in report["files"].values()
    ]
    columns = ("file", "test accuracy", "max error", "MiB", "measured ms", "at profiled speed")
    print_table(f"Exported and verified in {output}", columns, rows)
    target = report["target"]
    if target:
        print_table(
            "Target",
            ("runtime", "budget ms", "predicted ms"),
            [[target["runtime"], f"{target['budget_ms']:.4g}", f"{target['predicted_ms']:.4g}"]],
        )
