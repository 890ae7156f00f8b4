"""`proxyless profile`"""

from typing import Annotated, Any

import typer

from latency.settings import MIN_NETS, ProfileSettings
from proxyless.cli.console import OUT, command, print_json, reporting
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Json, NumClasses, Output, Resolution, SpaceArg, SpaceName, space_arguments
from proxyless.errors import InputError

TRANSFER_NETS = 10


@command
@with_flags(flags_of(ProfileSettings))
def profile(
    output: Output,
    space: SpaceName,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    space_arg: SpaceArg = None,
    transfer: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE", help="Measure only whole networks; take the rows from this table. Repeatable."),
    ] = None,
    nets: Annotated[
        int | None, typer.Option(help="With --transfer: whole networks to measure.", show_default=str(TRANSFER_NETS))
    ] = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Measure the operations of a space on a target, and write its latency table.

    Interrupted, the same command goes on where it stopped.

    Of a space with very many layers, as searched widths and resolutions make them, a part is measured, until the
    others can be predicted well enough; --rows all measures every one.

    With --transfer, tables of other devices are adapted to this one, from about ten networks measured here.

    Examples: `proxyless profile --space mobile --runtime litert --num-classes 37 -o phone.json`,
    `proxyless profile --space mobile-fixed --device ssh://pi@raspberrypi --transfer pixel1 -o pi.json`
    """
    from latency.profile import profile as measure
    from latency.tables import load_table
    from proxyless.cli.table_report import describe, summary
    from proxyless.space import load_space

    built = load_space(space, space_arguments(resolution, num_classes, space_arg))
    settings = ProfileSettings.make(
        "profile settings", **{**flags, "calibrate": _count(bool(transfer), flags["calibrate"], nets)}
    )
    known = {name: load_table(name) for name in transfer or []}
    with reporting(f"profile {space} on {settings.runtime}", "visits") as reporter:
        table = measure(built, output, settings, reporter.visits, known)
    if json:
        print_json(summary(table))
    else:
        describe(str(output), table)
        OUT.print(f"written to {output}")


def _count(transfer: bool, calibrate: int | None, nets: int | None) -> int:
    """How many whole networks to measure."""
    if transfer and calibrate is not None:
        raise InputError("--calibrate does not go with --transfer; say --nets")
    if not transfer and nets is not None:
        raise InputError("--nets goes with --transfer only; say --calibrate")
    if nets is not None and nets < MIN_NETS:
        raise InputError(f"--nets must be at least {MIN_NETS}, got {nets}")
    chosen, default = (nets, TRANSFER_NETS) if transfer else (calibrate, ProfileSettings().calibrate)
    return default if chosen is None else chosen
