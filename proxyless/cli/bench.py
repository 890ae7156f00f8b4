"""`proxyless bench`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from latency.settings import BenchSettings
from proxyless.cli.console import OUT, command, print_json, print_table, reporting
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Json
from proxyless.errors import InputError

_help = BenchSettings.describe
_WIDE = 100
"""Columns of a terminal in which all figures have room beside the names of files; narrower ones show fewer."""


@command
@with_flags(flags_of(BenchSettings, but=("threads", "shapes")))
def bench(
    models: Annotated[list[Path], typer.Argument(help="Model files, such as .onnx or .tflite, of any maker.")],
    threads: Annotated[str, typer.Option(help=_help("threads"))] = "1",
    shape: Annotated[list[str] | None, typer.Option(metavar="NAME=SIZES", help=_help("shapes"))] = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Measure model files side by side: latency, and the memory that each takes.

    Files of one runtime are visited in random order, round by round, in one process. Those of different runtimes, or
    with different numbers of threads, cannot share a process: they take turns, each a quarter of its rounds at a time.

    `ms` is the mean of the fastest 15 % of the visits; `min` to `p99` are over all runs. `MiB` is the most resident
    memory that loading and running the file adds to the bare runtime, measured first, alone in a process.

    Inputs are random numbers of the file's own shapes and types, 0 and 1 where integers are wider than 16 bits.

    Examples: `proxyless bench model/model.tflite model/model.onnx --threads 1,2`,
    `proxyless bench detector.onnx --shape image=1,3,480,640`
    """
    settings = BenchSettings.make(
        "bench",
        threads=_numbers("--threads", threads),
        shapes=dict(map(_named_shape, shape or [])),
        **flags,
    )
    from proxyless.workflow.bench import bench as measure

    with reporting("bench", "visits") as reporter:
        results = [result.document() for result in measure(models, settings, reporter.visits)]
    if json:
        print_json(results)
    else:
        _print(results, settings.device)


def _numbers(option: str, text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part) < 20 for part in parts):
        raise InputError(f"{option} needs whole numbers such as 1,2,4, got {text!r}")
    return [int(part) for part in parts]


def _named_shape(text: str) -> tuple[str, list[int]]:
    name, _, sizes = text.rpartition("=")
    if not name:
        raise InputError(f"--shape needs an input's name and its sizes, such as images=1,3,224,224, got {text!r}")
    return name, _numbers(f"--shape {name}=", sizes)


def _print(results: list[dict[str, Any]], device: str) -> None:
    versions = ", ".join(dict.fromkeys(result["runtime"] for result in results))
    figures = ("ms", "min", "p50", "p90", "p99") if OUT.width >= _WIDE else ("ms", "p50", "p99")
    columns = ("file", "input", "threads", *figures, "MiB")
    keys = [name if name == "ms" else f"{name}_ms" for name in figures]
    rows = [
        [
            result["file"],
            _inputs(result["inputs"]),
            str(result["threads"]),
            *(f"{result[key]:.4g}" for key in keys),
            "-" if result["peak_memory_bytes"] is None else f"{result['peak_memory_bytes'] / 2**20:.1f}",
        ]
        for result in results
    ]
    print_table(f"Latency on {device}: {versions}", columns, rows)
    noisy = dict.fromkeys(result["file"] for result in results if result["noisy"])
    if noisy:
        OUT.print(f"the machine is noisy: {', '.join(noisy)} varied by more than 15 %; close other programs")


def _inputs(inputs: dict[str, dict[str, Any]]) -> str:
    """Shapes and types, in the order of the file; the usual float32 goes without saying."""
    texts = ["x".join(map(str, entry["shape"])) or "scalar" for entry in inputs.values()]
    types = [entry["dtype"] for entry in inputs.values()]
    return ", ".join(text if kind == "float32" else f"{text} {kind}" for text, kind in zip(texts, types, strict=True))
