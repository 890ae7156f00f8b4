"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from proxyless.config import CONFIG
from proxyless.errors import InputError, shown

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Where to write.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in the same folder.")]
Jobs = Annotated[
    int | None,
    typer.Option(help="Trainings at once, in processes of their own. Default: one per core, or one on a GPU."),
]
SpaceName = Annotated[
    str, typer.Option("--space", help="Search space: one that 'proxyless spaces' lists, or a YAML file.")
]
Resolution = Annotated[
    str | None,
    typer.Option(
        metavar="N[,N...]",
        help="Side of the input image in pixels; several to choose from, as 160,192,224. Default: the space's own.",
    ),
]
NumClasses = Annotated[int | None, typer.Option(help="Number of classes. Default: the space's own.")]
SpaceArg = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="Another argument of the space, such as width_factors=[0.5,1,2]. Repeatable."
    ),
]
Data = Annotated[str, typer.Option(help="digits, imagefolder:PATH, parquet:PATH, hf:NAME or synthetic.")]


def space_arguments(
    resolution: str | None = None, num_classes: int | None = None, further: Sequence[str] | None = None
) -> dict[str, Any]:
    """The arguments of a space that these options give.

    Raises:
        InputError: a resolution that is no whole number, or an argument without a value.
    """
    given = {"resolution": _numbers(resolution) if resolution else None, "num_classes": num_classes}
    for text in further or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--space-arg must be NAME=VALUE, got {shown(text)}; for example width_mult=0.5")
        try:
            given[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--space-arg {name} has the value {shown(value)}, which is not YAML; quote it") from None
    return {name: value for name, value in given.items() if value is not None}


def _numbers(text: str) -> int | list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--resolution must be whole numbers, got {shown(text)}; for example 160,192,224") from None
    return numbers if len(numbers) > 1 else numbers[0]


def check_resumed(folder: Path, resume: bool) -> None:
    """Raise InputError when a run is to go on that has not begun: most likely the folder is another one."""
    if resume and not (folder / CONFIG).exists():
        raise InputError(f"there is no run in {folder} to go on with; check the folder, or leave --resume out")
