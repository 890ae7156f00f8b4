"""`proxyless export`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, print_table
from proxyless.cli.options import Json, Output


@command
def export(
    trained: Annotated[Path, typer.Argument(help="The output folder of 'train'.")],
    output: Output,
    formats: Annotated[
        str,
        typer.Option(
            "--format", help="Formats to write, separated by commas; a budget is checked on the file of its runtime."
        ),
    ] = "onnx,tflite",
    data: Annotated[str | None, typer.Option(help="Test images. Default: the data that it was trained on.")] = None,
    json: Json = False,
) -> None:
    """Export a trained network, verify every file against PyTorch and measure it; nothing is kept if a check fails.

    Example: `proxyless export trained --format onnx,tflite -o model`
    """
    from proxyless.api.export import export as export_folder

    names = [name.strip() for name in formats.split(",") if name.strip()]
    report = export_folder(trained, output, names, data)
    if json:
        print_json(report)
    else:
        print_report(output, report)


def print_report(output: Path, report: dict[str, Any]) -> None:
    """One line per file, and the budget."""
    rows = [["PyTorch", f"{report['pytorch_accuracy']:.2%}", "", "", "", "", ""]]
    rows += [
        [
            entry["file"],
            f"{entry['accuracy']:.2%}",
            f"{entry['max_abs_error']:.1e}",
            f"{entry['size_bytes'] / 2**20:.2f}",
            f"{entry['measured_ms']:.3g}",
            f"{entry['at_profiled_speed_ms']:.3g}" if entry["at_profiled_speed_ms"] else "",
            entry["measured_on"],
        ]
        for entry in report["files"].values()
    ]
    columns = ("file", "test accuracy", "max error", "MiB", "measured ms", "at profiled speed", "on")
    print_table(f"Exported and verified in {output}", columns, rows)
    target = report["target"]
    if target:
        print_table(
            "Target",
            ("runtime", "budget ms", "predicted ms"),
            [[target["runtime"], f"{target['budget_ms']:.4g}", f"{target['predicted_ms']:.4g}"]],
        )
        if not report["budget_checked"]:
            OUT.print(f"the budget was not checked: no file of this export runs on {target['runtime']}")
