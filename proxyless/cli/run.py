"""`proxyless run`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxyless.cli.console import TerminalStages, command, plural, print_json, print_table, say_warnings
from proxyless.cli.options import Json


@command
def run(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Instead of the file's 'output'.")] = None,
    json: Json = False,
) -> None:
    """Profile, search, train, export and report; run again, it goes on where it stopped.

    Example: `proxyless run examples/demo.yaml`
    """
    from proxyless.cli.export import require_all, say_remarks, say_unchecked
    from proxyless.config import read_yaml
    from proxyless.workflow.pipeline import Pipeline, PipelineSettings

    settings = read_yaml(config, PipelineSettings)
    if output is not None:
        settings = settings.model_copy(update={"output": output})
    result = Pipeline(settings, TerminalStages()).run()
    if json:
        print_json(result)
    else:
        _print_result(settings.output / "model", result)
        if result["networks"]:
            _print_networks(result["networks"])
        say_unchecked(result["export"])
        say_remarks(result["export"])
    say_warnings(result["warnings"])
    require_all(result["export"])


def _print_result(folder: Path, result: dict[str, Any]) -> None:
    target, report = result["architecture"]["target"], result["export"]
    files = list(report["files"].values())
    rows = [
        ["budget", f"{target['budget_ms']:.3g} ms on {_runtime(target)}, {plural(target['threads'], 'thread')}"],
        ["predicted", f"{target['predicted_ms']:.3g} ms"],
        *([f"measured, {_kind(entry)}{_place(entry['measured_on'])}", _latency(entry)] for entry in files),
        ["test accuracy, PyTorch", f"{report['pytorch_accuracy']:.2%}"],
        *([f"test accuracy, {entry['file']}", f"{entry['accuracy']:.2%}"] for entry in files),
        *(["file", str(folder / entry["file"])] for entry in files),
        ["report", result["report"]],
    ]
    print_table("Result", ("", ""), rows)


def _kind(entry: dict[str, Any]) -> str:
    """Runtime, and the numbers where they are not float32; reports from before other dtypes do not say."""
    dtype = entry.get("dtype", "float32")
    return entry["runtime"] if dtype == "float32" else f"{entry['runtime']} {dtype}"


def _runtime(target: dict[str, Any]) -> str:
    return f"{target['runtime']}{_place(target['device'])}"


def _place(device: str) -> str:
    return "" if device == "local" else f" on {device}"


def _latency(entry: dict[str, Any]) -> str:
    normalised = entry["at_profiled_speed_ms"]
    note = f" ({normalised:.3g} ms at the speed of the profile)" if normalised else ""
    return f"{entry['measured_ms']:.3g} ms{note}"


def _print_networks(networks: list[dict[str, Any]]) -> None:
    """What each target would have chosen, and what it costs on all of them."""
    runtimes = list(networks[0]["ms"])
    rows = [
        [
            f"{entry['target']}: {' '.join(entry['ops'])}",
            f"{entry['budget_ms']:.3g}",
            *(f"{entry['ms'][runtime]:.3g}" for runtime in runtimes),
        ]
        for entry in networks
    ]
    columns = ("network chosen for", "its budget ms", *(f"on {runtime} ms" for runtime in runtimes))
    print_table("Why the target matters: one search, a network per target, measured on each", columns, rows)
