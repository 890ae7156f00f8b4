"""A trained network in a folder: weights as safetensors, everything else as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from proxyless.chance import accuracy_at_chance
from proxyless.config import MAX_COUNT, MAX_SEED
from proxyless.errors import InputError
from proxyless.files import read_model, write_json
from proxyless.nn import build_network, load_weights
from proxyless.space import Architecture

WEIGHTS = "weights.safetensors"
LAST_WEIGHTS = "last.safetensors"
ARCHITECTURE = "architecture.json"
DESCRIPTION = "trained.json"


Mean = Annotated[float, Field(ge=-1e6, le=1e6)]
Std = Annotated[float, Field(ge=1e-6, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]


class TrainedInfo(BaseModel):
    """What is needed to use and to check the weights. Accuracies are shares from 0 to 1.

    guessing_accuracy: what one reaches on the test images without looking at them.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: Literal["trained/1"] = "trained/1"
    data: str
    limit: int | None = Field(None, gt=0, le=MAX_SEED)
    classes: list[str] = Field(min_length=1, max_length=100_000)
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Std, Std, Std]
    best_epoch: int = Field(ge=0, le=MAX_COUNT)
    validation_accuracy: Share
    validation_loss: Annotated[float, Field(ge=0)] | None = None
    test_accuracy: Share
    guessing_accuracy: Share = 0.0

    @property
    def warnings(self) -> list[str]:
        """One sentence where nothing was learned."""
        if self.test_accuracy > self.guessing_accuracy:
            return []
        return [accuracy_at_chance(self.test_accuracy, self.guessing_accuracy)]


@dataclass(frozen=True)
class Trained:
    """A trained network with its architecture, in evaluation mode."""

    architecture: Architecture
    network: nn.Module
    info: TrainedInfo


def save_info(folder: Path, info: TrainedInfo) -> None:
    """Write the description: the folder is complete with it."""
    write_json(folder / DESCRIPTION, info.model_dump())


def load_trained(folder: Path) -> Trained:
    """Read a folder that training finished.

    Raises:
        InputError: not such a folder, unfinished, damaged, or weights of another architecture.
    """
    if (folder / "result.json").exists():
        raise InputError(f"{folder} is a search, not a trained network; train it first: proxyless train {folder} ...")
    if not (folder / ARCHITECTURE).exists():
        raise InputError(f"{folder} is not a trained network ({ARCHITECTURE} is missing); give the output of 'train'")
    architecture = Architecture.load(folder / ARCHITECTURE)
    if not (folder / DESCRIPTION).exists():
        raise InputError(f"the training in {folder} has not finished; go on with 'train ... --resume'")
    info = read_model(folder / DESCRIPTION, "trained network", TrainedInfo)
    _check_fits(folder, architecture, info)
    network = build_network(architecture.layers)
    load_weights(folder / WEIGHTS, network)
    return Trained(architecture, network.eval(), info)


def _check_fits(folder: Path, architecture: Architecture, info: TrainedInfo) -> None:
    """Before memory is taken: damaged files may describe a network of gigabytes."""
    if len(info.classes) != architecture.space.num_classes:
        raise InputError(
            f"{folder / DESCRIPTION} names {len(info.classes)} classes, but {folder / ARCHITECTURE} has "
            f"{architecture.space.num_classes}; train again"
        )
    weights, least_bytes = folder / WEIGHTS, 4 * architecture.cost.params
    found_bytes = weights.stat().st_size if weights.is_file() else least_bytes
    if found_bytes < least_bytes:
        raise InputError(
            f"weights {weights} have {found_bytes:,} bytes, but the network of {folder / ARCHITECTURE} takes at least "
            f"{least_bytes:,}; copy the folder again, or train again"
        )
