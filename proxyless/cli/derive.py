"""`proxyless derive`"""

from pathlib import Path
from typing import Annotated

import typer

from proxyless.cli.console import command, print_json, print_table
from proxyless.cli.options import Json, Output
from proxyless.cli.target import make_target, parse_budget


@command
def derive(
    run: Annotated[Path, typer.Argument(help="The folder of a finished search.")],
    output: Output,
    budget: Annotated[list[str] | None, typer.Option(help="Latency bound; may be given several times.")] = None,
    table: Annotated[str | None, typer.Option(help="Table of another target. Default: the run's own.")] = None,
    json: Json = False,
) -> None:
    """Derive networks for other budgets, or for another device, from one search.

    Example: `proxyless derive run --budget 2ms --budget 4ms --table other-phone.json -o networks`
    """
    from latency.tables import load_table
    from proxyless.files import output_folder
    from proxyless.search.run import TABLE, load_result
    from proxyless.search.run import derive as derive_one

    result = load_result(run)
    chosen = load_table(table or str(run / TABLE))
    costs = chosen.costs(result.build_space())
    budgets_ms = [parse_budget(text, costs) for text in budget or []] or [result.budget_ms]
    networks = [derive_one(result, costs, make_target(chosen, budget_ms)) for budget_ms in budgets_ms]
    output_folder(output)
    paths = [output / f"{chosen.runtime.name}-{budget_ms:.4g}ms.json" for budget_ms in budgets_ms]
    for architecture, path in zip(networks, paths, strict=True):
        architecture.save(path)
    if json:
        print_json([{**net.document(), "path": str(path)} for net, path in zip(networks, paths, strict=True)])
        return
    rows = [
        [path.name, f"{net.target.budget_ms:.4g}", f"{net.target.predicted_ms:.4g}", " ".join(net.op_names)]
        for net, path in zip(networks, paths, strict=True)
        if net.target
    ]
    print_table(f"Networks in {output}", ("file", "budget ms", "predicted ms", "operations"), rows)
