"""`proxyless tables`"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxyless.cli.console import OUT, command, print_json, print_table
from proxyless.cli.options import Json, NumClasses, Resolution, space_arguments
from proxyless.cli.table_report import count_rows, describe, describe_comparison, summary, table_space
from proxyless.errors import InputError
from proxyless.extras import require

if TYPE_CHECKING:
    from latency.table import LatencyTable


@command
def tables(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="TABLE", help="A shipped table or a file, or two to compare.")
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Convert a YAML table of ProxylessNAS or Once-for-All.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="With --import: the device that was measured.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="With --import: the runtime that it was measured on, such as tflite, if known.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Folder for pictures of the table, as SVG and PNG.")] = None,
    predict_space: Annotated[
        str | None, typer.Option(help="Write a table for this space in which the rows that TABLE lacks are predicted.")
    ] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write a new table.")] = None,
    json: Json = False,
) -> None:
    """List the shipped latency tables, describe one, compare two, draw one, or make a new one from another.

    Examples: `proxyless tables`, `proxyless tables pixel1`, `proxyless tables phone.json laptop.json`,
    `proxyless tables phone.json --plot pictures`,
    `proxyless tables phone.json --predict-space mobile --resolution 192 -o phone-192.json`,
    `proxyless tables --import lookup_table.yaml --device note10 -o note10.json`
    """
    from latency.table import UNKNOWN
    from latency.tables import load_table

    names = names or []
    modes = {"--import": import_, "--plot": plot, "--predict-space": predict_space}
    chosen = [option for option, value in modes.items() if value is not None]
    _check_modes(chosen, names, {"--device": device, "--runtime": runtime})
    _check_companions(
        {"--output": output, "--resolution": resolution, "--num-classes": num_classes}, import_, predict_space
    )
    if import_ is not None:
        _import(import_, (device or UNKNOWN, runtime or UNKNOWN), _target(output, "--import"), json)
    elif predict_space is not None:
        _predict(
            _only(names, "--predict-space"),
            predict_space,
            (resolution, num_classes),
            _target(output, "--predict-space"),
            json,
        )
    elif plot is not None:
        _plot(load_table(_only(names, "--plot")), plot, json)
    elif not names:
        _list(json)
    elif len(names) == 1:
        _show(names[0], load_table(names[0]), json)
    elif len(names) == 2:
        _compare((names[0], names[1]), json)
    else:
        raise InputError(f"tables describes one table or compares two, got {len(names)}")


def _check_modes(chosen: list[str], names: list[str], of_import: Mapping[str, str | None]) -> None:
    if len(chosen) > 1:
        raise InputError(f"tables does one thing at a time; choose one of {', '.join(chosen)}")
    for option, value in of_import.items():
        if value is not None and chosen != ["--import"]:
            raise InputError(f"{option} goes with --import only")
        if value is not None and not (value.strip() and value.isprintable()):
            raise InputError(f"{option} must be a name, got {value!r}; leave it out where it is not known")
    if chosen == ["--import"] and names:
        raise InputError(f"--import takes no TABLE, got {names[0]!r}")


def _check_companions(given: dict[str, object], import_: Path | None, predict_space: str | None) -> None:
    for option, value in given.items():
        if value is not None and predict_space is None and not (option == "--output" and import_ is not None):
            modes = "--import or --predict-space" if option == "--output" else "--predict-space"
            raise InputError(f"{option} goes with {modes} only")


def _target(output: Path | None, option: str) -> Path:
    if output is None:
        raise InputError(f"{option} needs -o FILE.json, where the new table is written")
    if output.exists():
        raise InputError(f"{output} exists already; delete it, or choose another output")
    return output


def _only(names: list[str], option: str) -> str:
    if len(names) != 1:
        raise InputError(f"{option} needs one TABLE, got {len(names)}")
    return names[0]


def _show(name: str, table: "LatencyTable", json: bool) -> None:
    if json:
        print_json(summary(table))
    else:
        describe(name, table)


def _list(json: bool) -> None:
    from latency.tables import load_table, shipped_names

    found = {name: load_table(name) for name in shipped_names()}
    if json:
        print_json({name: summary(table) for name, table in found.items()})
    else:
        rows = [[name, entry.device.name, entry.label, str(count_rows(entry))] for name, entry in found.items()]
        print_table("Shipped latency tables", ("table", "device", "target", "rows"), rows)


def _import(source: Path, measured_on: tuple[str, str], output: Path, json: bool) -> None:
    """measured_on: device and runtime."""
    from latency.published import import_published

    table = import_published(source, *measured_on)
    table.save(output)
    _show(str(output), table, json)


def _predict(name: str, space_name: str, shape: tuple[str | None, int | None], output: Path, json: bool) -> None:
    from latency.fit.unmeasured import predict_rows
    from latency.tables import load_table
    from proxyless.space import load_space

    space = load_space(space_name, space_arguments(*shape))
    predicted = predict_rows(load_table(name), space, name)
    predicted.save(output)
    _show(str(output), predicted, json)


def _plot(table: "LatencyTable", folder: Path, json: bool) -> None:
    require("--plot", "report", ["matplotlib"])
    from latency.plots import plot_table

    written = plot_table(table, table_space(table), folder)
    if json:
        print_json([str(path) for path in written])
        return
    for path in written:
        OUT.print(str(path))


def _compare(names: tuple[str, str], json: bool) -> None:
    from latency.compare import compare
    from latency.tables import load_table

    first, second = map(load_table, names)
    space = table_space(first) or table_space(second)
    covered = space is not None and first.covers(space) and second.covers(space)
    found = compare(first, second, space if covered else None)
    if not json:
        stems = (Path(names[0]).stem, Path(names[1]).stem)
        describe_comparison(stems if stems[0] != stems[1] else names, found)
        return
    document = asdict(found)
    for pair, row in zip(document["pairs"], found.pairs, strict=True):
        pair["spec"] = str(row.spec)
    print_json(document)
