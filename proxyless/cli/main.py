"""The command line: one file per command, registered here."""

from collections.abc import Callable
from typing import Annotated

import typer

from proxyless import __version__
from proxyless.cli import (
    bench,
    compare,
    derive,
    export,
    predict,
    profile,
    rank,
    report,
    run,
    search,
    spaces,
    tables,
    train,
)
from proxyless.cli.commands import Command
from proxyless.cli.console import show_notices, write_anything
from proxyless.lifetime import end_in_order

app = typer.Typer(
    name="proxyless",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Find the most accurate mobile network that runs within a latency budget on your device, and export it.",
)

_COMMANDS: tuple[Callable[..., None], ...] = (
    spaces.spaces,
    profile.profile,
    tables.tables,
    search.search,
    derive.derive,
    compare.compare,
    rank.rank,
    train.train,
    export.export,
    bench.bench,
    predict.predict,
    report.report,
    run.run,
)
for _command in _COMMANDS:
    app.command(cls=Command)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"proxyless {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    show: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the console script."""
    end_in_order()
    write_anything()
    show_notices()
    app()


if __name__ == "__main__":
    main()
