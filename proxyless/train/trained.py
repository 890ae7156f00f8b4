"""A trained network in a folder: weights as safetensors, everything else as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from proxyless.errors import InputError
from proxyless.files import read_model, write_json
from proxyless.nn import build_network, load_weights
from proxyless.space import Architecture

WEIGHTS = "weights.safetensors"
LAST_WEIGHTS = "last.safetensors"
ARCHITECTURE = "architecture.json"
DESCRIPTION = "trained.json"


class TrainedInfo(BaseModel):
    """What is needed to use and to check the weights. Accuracies are shares from 0 to 1."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["trained/1"] = "trained/1"
    data: str
    limit: int | None = None
    classes: list[str] = Field(min_length=1)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    best_epoch: int
    validation_accuracy: float
    test_accuracy: float


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
    network = build_network(architecture.layers)
    load_weights(folder / WEIGHTS, network)
    return Trained(architecture, network.eval(), info)
