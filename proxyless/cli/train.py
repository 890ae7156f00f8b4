"""`proxyless train`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, reporting, say_warnings
from proxyless.cli.early import check_data, check_there
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Data, Json, Output, Resume, check_resumed
from proxyless.errors import InputError
from proxyless.files import read_json
from proxyless.train.config import TrainSettings

if TYPE_CHECKING:
    from proxyless.space import Architecture

_GALLERY = "gallery.json"
"""In the folder of networks that `derive` wrote."""


@command
@with_flags(flags_of(TrainSettings))
def train(
    network: Annotated[Path, typer.Argument(help="The folder of a search, or an architecture file.")],
    output: Output,
    data: Data,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Start from the weights of this search, or of a file of weights of the same network. Default: random "
            "weights."
        ),
    ] = None,
    resume: Resume = False,
    json: Json = False,
    **flags: Any,
) -> None:
    """Train a derived network, from scratch or from the weights of its search.

    Examples: `proxyless train run --data digits -o trained`,
    `proxyless train run --data digits --init run --epochs 10 -o trained`
    """
    settings = TrainSettings.make("training settings", **flags)
    check_resumed(output, resume)
    check_data(data)
    check_there("folder or file", [network])
    from proxyless.workflow.train import train as train_folder

    architecture = _load_architecture(network)
    with reporting(f"train on {data}", "steps") as reporter:
        info = train_folder(architecture, data, output, settings, init=init, resume=resume, reporter=reporter)
    if json:
        print_json(info.model_dump())
    else:
        OUT.print(
            f"test accuracy {info.test_accuracy:.2%}, best epoch {info.best_epoch} "
            f"(validation {info.validation_accuracy:.2%}), written to {output}",
        )
    say_warnings(info.warnings)


def _best(folder: Path) -> str:
    """The file of the first network of a gallery.

    Raises:
        InputError: damaged, or there is one for each of several budgets.
    """
    document = read_json(folder / _GALLERY, "gallery")
    networks = document.get("networks") if isinstance(document, dict) else None
    try:
        first = [str(network["file"]) for network in networks or () if network["rank"] == 1]
    except (KeyError, TypeError):
        raise InputError(f"{folder / _GALLERY} is damaged; derive again") from None
    if len(first) != 1:
        raise InputError(f"{folder} has networks for {len(first)} budgets; give one of {', '.join(first) or 'none'}")
    return first[0]


def _load_architecture(path: Path) -> "Architecture":
    """The architecture in a file, that of a run, or the best one of a gallery for one budget."""
    from proxyless.space import Architecture

    if (path / _GALLERY).exists():
        path = path / _best(path)
    if path.is_dir() and not (path / "architecture.json").exists():
        raise InputError(f"{path} has no architecture.json; give the folder of a finished search, or a file")
    return Architecture.load(path / "architecture.json" if path.is_dir() else path)
