"""`proxyless train`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, reporting, say_warnings
from proxyless.cli.flags import flags_of, with_flags
from proxyless.cli.options import Data, Json, Output, Resume, check_resumed
from proxyless.errors import InputError
from proxyless.train.config import TrainSettings

if TYPE_CHECKING:
    from proxyless.space import Architecture


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


def _load_architecture(path: Path) -> "Architecture":
    """The architecture in a file, or that of a run."""
    from proxyless.space import Architecture

    if not path.exists():
        raise InputError(f"no such folder or file: {path}; give the folder of a finished search, or an architecture")
    if path.is_dir() and not (path / "architecture.json").exists():
        raise InputError(f"{path} has no architecture.json; give the folder of a finished search, or a file")
    return Architecture.load(path / "architecture.json" if path.is_dir() else path)
