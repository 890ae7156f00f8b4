"""Training in a folder that can be resumed."""

from pathlib import Path
from typing import Any

from proxyless.data import ImageData
from proxyless.execution import save_choice
from proxyless.progress import Reporter
from proxyless.search.result import CHECKPOINT, LOG
from proxyless.search.run import DataConfig, LoggingReporter, open_on_first, recorded_choice
from proxyless.space import Architecture
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from proxyless.train.start import starting_weights
from proxyless.train.trained import ARCHITECTURE, TrainedInfo


class TrainConfig(DataConfig):
    """What was asked for, resolved. init: the name of the folder or file, which may have moved."""

    space: str
    space_args: dict[str, Any]
    ops: list[str]
    init: str | None = None
    train: TrainSettings


def run_training(
    folder: Path,
    architecture: Architecture,
    data: ImageData,
    settings: TrainSettings,
    reporter: Reporter,
    resume: bool,
    init: Path | None = None,
    announce: bool = True,
) -> TrainedInfo:
    """Train, or go on with a training, in its folder. init: see `starting_weights`; not needed to go on."""
    goes_on = (folder / CHECKPOINT).exists()
    start = starting_weights(init, architecture) if init is not None and not goes_on else None
    training = Training(architecture, data, settings, recorded_choice(folder), start)
    config = TrainConfig(
        data=data.source,
        classes=list(data.classes),
        space=architecture.space.name,
        space_args=dict(architecture.space.args),
        ops=architecture.ops,
        init=None if init is None else init.resolve().name,
        train=training.settings,
    )
    if open_on_first(training.fabric, folder, config, resume):
        training.resume(folder / CHECKPOINT)
    save_choice(folder, training.choice)
    architecture.save(folder / ARCHITECTURE)
    log = LoggingReporter(folder / LOG, training.history, reporter)
    if training.history:
        log.write()
    return training.run(folder, folder / CHECKPOINT, log, announce=announce)
