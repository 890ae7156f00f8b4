"""`proxyless spaces`"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from proxyless.cli.console import command, print_json, print_table
from proxyless.cli.options import Json, NumClasses, Resolution, SpaceArg, space_arguments
from proxyless.quantities import power_of_ten
from proxyless.space import Space, layer_cost, load_space, network_cost
from proxyless.space.declared import TEMPLATE
from proxyless.space.definition import Definition
from proxyless.space.factors import Factor, cheapest_path, dearest_path, space_factors
from proxyless.space.registry import known_spaces


@command
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="Describe this space, by its name or its YAML file; without it, list all.")
    ] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    space_arg: SpaceArg = None,
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
    args = space_arguments(resolution, num_classes, space_arg)
    chosen = [load_space(key, args) for key in ([name] if name else known_spaces())]
    summaries = [_summary(space) for space in chosen]
    if json:
        print_json(summaries[0] if name else summaries)
        return
    columns = ("space", "input", "classes", "decisions", "networks", "parameters (M)", "MACs (M)")
    print_table("Search spaces", columns, [_row(summary) for summary in summaries])
    if name:
        _print_decisions(chosen[0])


def _summary(space: Space) -> dict[str, Any]:
    low, high = (_extreme(space, find) for find in (cheapest_path, dearest_path))
    return {
        "name": space.name,
        "args": dict(space.args),
        "resolution": space.resolution,
        "num_classes": space.num_classes,
        "decisions": {decision.name: list(decision.choices) for decision in space.decisions},
        "layers": len(space.specs()),
        "networks": space.size,
        "min_params": low[0],
        "max_params": high[0],
        "min_macs": low[1],
        "max_macs": high[1],
    }


def _row(summary: dict[str, Any]) -> list[str]:
    return [
        summary["name"],
        "x".join([str(summary["resolution"])] * 2),
        str(summary["num_classes"]),
        str(len(summary["decisions"])),
        power_of_ten(summary["networks"]),
        f"{summary['min_params'] / 1e6:.2f} to {summary['max_params'] / 1e6:.2f}",
        f"{summary['min_macs'] / 1e6:.1f} to {summary['max_macs'] / 1e6:.1f}",
    ]


def _extreme(space: Space, find: Callable[[Sequence[Factor], Sequence[int]], list[int]]) -> tuple[int, int]:
    """Parameters, and MACs, of the network that has the least of each, or the most."""
    params, macs = (
        network_cost(space.path_network(find(space_factors(space, count)[1], space.sizes)))
        for count in (lambda spec: layer_cost(spec).params, lambda spec: layer_cost(spec).macs)
    )
    return params.params, macs.macs


def _print_decisions(space: Space) -> None:
    shapes = {decision: slot.layers[-1] for decision, slot in reversed(space.searched)}
    rows = []
    for number, decision in enumerate(space.decisions):
        largest = shapes.get(number)
        sizes = ["x".join(map(str, shape)) for shape in (largest.in_shape, largest.out_shape)] if largest else ["", ""]
        rows.append([decision.name, *sizes, " ".join(decision.choices)])
    print_table("Decisions", ("decision", "largest input", "output", "choices"), rows)
