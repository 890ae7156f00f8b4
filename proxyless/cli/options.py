"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from proxyless.config import CONFIG
from proxyless.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Where to write.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in the same folder.")]
SpaceName = Annotated[
    str, typer.Option("--space", help="Search space: one that 'proxyless spaces' lists, or a YAML file.")
]
Resolution = Annotated[int | None, typer.Option(help="Side of the input image in pixels. Default: the space's own.")]
NumClasses = Annotated[int | None, typer.Option(help="Number of classes. Default: the space's own.")]
Data = Annotated[str, typer.Option(help="digits, imagefolder:PATH, parquet:PATH, hf:NAME or synthetic.")]
Threads = Annotated[int, typer.Option(help="Threads that the runtime may use.")]


def check_resumed(folder: Path, resume: bool) -> None:
    """Raise InputError when a run is to go on that has not begun: most likely the folder is another one."""
    if resume and not (folder / CONFIG).exists():
        raise InputError(f"there is no run in {folder} to go on with; check the folder, or leave --resume out")
