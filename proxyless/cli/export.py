"""`proxyless export`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from export.settings import ExportSettings
from proxyless.cli.console import OUT, command, print_json, print_table, reporting
from proxyless.cli.early import check_data, check_there
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Json, Output
from proxyless.errors import CheckError
from proxyless.plugins import names_with_plugins

# Spelled out: the list itself imports PyTorch, and every command would wait for it.
_FORMATS = ", ".join(names_with_plugins("format", ("onnx", "tflite")))


@command
@with_flags(flags_of(ExportSettings))
def export(
    trained: Annotated[Path, typer.Argument(help="The output folder of 'train'.")],
    output: Output,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"Formats to write, of {_FORMATS}, with commas; a budget is checked on the file of its runtime.",
        ),
    ] = "onnx,tflite",
    data: Annotated[
        str | None, typer.Option(help="Test and calibration images. Default: the data that it was trained on.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The device that the network is for, where it is not this machine.")
    ] = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Export a trained network, verify every file against PyTorch and measure it; nothing is kept if a check fails.

    An int8 file that loses too much accuracy is made again with better recipes; if that does not help it is left out,
    and the command says so and exits with 1.

    Examples: `proxyless export trained -o model`, `proxyless export trained --format tflite --int8 -o model`
    """
    check_there("trained network", [trained])
    check_data(data)
    from proxyless.workflow.export import export as export_folder

    names = [name.strip() for name in formats.split(",") if name.strip()]
    settings = ExportSettings.make("export settings", **flags)
    with reporting("export", "steps") as reporter:
        report = export_folder(trained, output, names, data, settings, reporter, device=device)
    if json:
        print_json(report)
    else:
        print_report(output, report)
    require_all(report)


def require_all(report: dict[str, Any]) -> None:
    """Raise CheckError when a file that was asked for is not in the export."""
    from proxyless.workflow.export import left_out

    message = left_out(report)
    if message:
        raise CheckError(message)


def print_report(output: Path, report: dict[str, Any]) -> None:
    """One line per file, and the budget."""
    files = report["files"].values()
    rows = [["PyTorch", f"{report['pytorch_accuracy']:.2%}", *[""] * 5], *map(_row, files)]
    columns = ("file", "accuracy", "agrees", "MiB", "ms", "ms as profiled", "on")
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    print_table(
        f"Exported in {output}: {len(report['checks'])} checks passed",
        [columns[index] for index in used],
        [[row[index] for index in used] for row in rows],
    )
    target = report["target"]
    if target:
        print_table(
            "Target",
            ("runtime", "dtype", "budget ms", "predicted ms"),
            [[target["runtime"], target["dtype"], f"{target['budget_ms']:.4g}", f"{target['predicted_ms']:.4g}"]],
        )
    say_unchecked(report)
    say_remarks(report)


def say_remarks(report: dict[str, Any]) -> None:
    """What is worth knowing of files that passed."""
    from proxyless.workflow.export import remarks

    for remark in remarks(report):
        OUT.print(remark)


def say_unchecked(report: dict[str, Any]) -> None:
    """Say so when the budget was not checked on any file."""
    target = report["target"]
    if target and not report["budget_checked"]:
        kind = f"{target.get('dtype', 'float32')} file of this export runs on {target['runtime']}"
        OUT.print(f"the budget was not checked: no {kind}")


def _row(entry: dict[str, Any]) -> list[str]:
    as_profiled = entry["at_profiled_speed_ms"]
    return [
        entry["file"],
        f"{entry['accuracy']:.2%}",
        f"{entry['top1_agreement']:.2%}",
        f"{entry['size_bytes'] / 2**20:.2f}",
        f"{entry['measured_ms']:.3g}",
        f"{as_profiled:.3g}" if as_profiled else "",
        entry["measured_on"] if entry["measured_on"] != "local" else "",
    ]
