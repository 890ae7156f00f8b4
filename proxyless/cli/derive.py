"""`proxyless derive`"""

from pathlib import Path
from typing import Annotated

import typer

from proxyless.cli.console import command, print_json, print_table
from proxyless.cli.options import Json, Output


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
    from proxyless.api.derive import derive_networks
    from proxyless.files import output_folder

    networks = derive_networks(run, budget or [], load_table(table) if table else None)
    output_folder(output)
    targets = [network.target for network in networks if network.target]
    paths = [
        output / f"{target.runtime}-{target.delegate}-{target.threads}-{target.budget_ms:.4g}ms.json"
        for target in targets
    ]
    for architecture, path in zip(networks, paths, strict=True):
        architecture.save(path)
    if json:
        print_json([{**net.document(), "path": str(path)} for net, path in zip(networks, paths, strict=True)])
        return
    rows = [
        [path.name, f"{target.budget_ms:.4g}", f"{target.predicted_ms:.4g}", " ".join(network.op_names)]
        for network, target, path in zip(networks, targets, paths, strict=True)
    ]
    print_table(f"Networks in {output}", ("file", "budget ms", "predicted ms", "operations"), rows)
