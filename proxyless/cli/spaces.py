"""`proxyless spaces`"""

from typing import Annotated, Any

import typer

from proxyless.cli.console import command, print_json, print_table
from proxyless.cli.options import Json, NumClasses, Resolution
from proxyless.quantities import power_of_ten
from proxyless.space import SKIP, Layer, Space, layer_cost, load_space, network_cost
from proxyless.space.declared import TEMPLATE
from proxyless.space.definition import Definition
from proxyless.space.registry import known_spaces


@command
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="Describe this space, by its name or its YAML file; without it, list all.")
    ] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a definition with comments, to begin a space of your own with.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of definitions, for editors.")
    ] = False,
    json: Json = False,
) -> None:
    """List the search spaces, or describe one.

    Examples: `proxyless spaces`, `proxyless spaces mobile --resolution 160`, `proxyless spaces --template > mine.yaml`
    """
    if template:
        typer.echo(TEMPLATE, nl=False)
        return
    if schema:
        print_json(Definition.model_json_schema())
        return
    args = {"resolution": resolution, "num_classes": num_classes}
    chosen = [load_space(key, args) for key in ([name] if name else known_spaces())]
    summaries = [_summary(space) for space in chosen]
    if json:
        print_json(summaries[0] if name else summaries)
        return
    columns = ("space", "input", "classes", "layers", "networks", "parameters (M)", "MACs (M)")
    print_table("Search spaces", columns, [_row(summary) for summary in summaries])
    if name:
        _print_layers(chosen[0])


def _extreme(layer: Layer, smallest: bool) -> str:
    def macs(op: str) -> int:
        return 0 if (spec := layer.spec(op)) is None else layer_cost(spec).macs

    return min(layer.ops, key=macs) if smallest else max(layer.ops, key=macs)


def _summary(space: Space) -> dict[str, Any]:
    low, high = (
        network_cost(space.network([_extreme(layer, smallest) for layer in space.layers])) for smallest in (True, False)
    )
    return {
        "name": space.name,
        "args": dict(space.args),
        "resolution": space.resolution,
        "num_classes": space.num_classes,
        "layers": [list(layer.ops) for layer in space.layers],
        "networks": space.size,
        "min_params": low.params,
        "max_params": high.params,
        "min_macs": low.macs,
        "max_macs": high.macs,
    }


def _row(summary: dict[str, Any]) -> list[str]:
    return [
        summary["name"],
        "x".join([str(summary["resolution"])] * 2),
        str(summary["num_classes"]),
        str(len(summary["layers"])),
        power_of_ten(summary["networks"]),
        f"{summary['min_params'] / 1e6:.2f} to {summary['max_params'] / 1e6:.2f}",
        f"{summary['min_macs'] / 1e6:.1f} to {summary['max_macs'] / 1e6:.1f}",
    ]


def _print_layers(space: Space) -> None:
    rows = [
        [
            str(index),
            "x".join(map(str, layer.in_shape)),
            "x".join(map(str, layer.out_shape)),
            str(layer.stride),
            " ".join(op for op in layer.ops if op != SKIP) + (" skip" if SKIP in layer.ops else ""),
        ]
        for index, layer in enumerate(space.layers)
    ]
    print_table("Searched layers", ("layer", "input", "output", "stride", "operations"), rows)
