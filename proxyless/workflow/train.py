"""Train a derived network in a folder."""

from pathlib import Path

from proxyless.data import load_data
from proxyless.fabric import check_accelerator
from proxyless.ownership import owns_folder
from proxyless.progress import Lines, Reporter
from proxyless.search.run import check_free, recorded_classes
from proxyless.space import Architecture
from proxyless.train.config import TrainSettings
from proxyless.train.run import TrainConfig, run_training
from proxyless.train.trained import TrainedInfo


@owns_folder
def train(
    architecture: Architecture,
    data: str,
    output: Path | str,
    settings: TrainSettings | None = None,
    *,
    init: Path | str | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
    announce: bool = True,
) -> TrainedInfo:
    """Train; the folder `output` then holds weights, architecture and accuracy.

    init: where the weights come from that it starts with: the folder of a search, of which the network takes its part,
    or a file of weights of the same network. Without it they are random. announce: say how long it will take.

    Raises:
        InputError: data or a folder that cannot be used.
        CheckError: the loss became infinite.
    """
    settings, folder = settings or TrainSettings(), Path(output)
    check_accelerator(settings.device)
    check_free(folder, resume)
    loaded = load_data(data, architecture.resolution, settings.limit, recorded_classes(folder, TrainConfig))
    start = None if init is None else Path(init)
    return run_training(folder, architecture, loaded, settings, reporter or Lines("train"), resume, start, announce)
