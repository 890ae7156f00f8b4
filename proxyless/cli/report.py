"""`proxyless report`"""

from pathlib import Path
from typing import Annotated

import typer

from proxyless.cli.console import OUT, command, print_json
from proxyless.cli.early import check_there
from proxyless.cli.options import Json


@command
def report(
    run: Annotated[Path, typer.Argument(help="The output folder of 'run' or 'search'.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The page to write. Default: report.html in the run.")
    ] = None,
    json: Json = False,
) -> None:
    """Write one HTML page with everything that a run holds; it needs no network to be read.

    Example: `proxyless report run -o report.html`
    """
    check_there("run", [run])
    from proxyless.workflow.report import PAGE
    from proxyless.workflow.report import report as write_report

    content = write_report(run, output)
    if json:
        print_json(content.model_dump(mode="json"))
        return
    path = output or run / PAGE
    OUT.print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB", soft_wrap=True)
    for part in content.missing:
        OUT.print(f"not in {run} yet: {part.makes}; this makes it: {part.line}", soft_wrap=True)
