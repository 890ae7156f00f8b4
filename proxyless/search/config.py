"""The settings of a search."""

from typing import Literal

from pydantic import Field

from proxyless.config import Accelerator, Precision, Settings


class SearchSettings(Settings):
    """How to search. The defaults suit the embedded data; ImageNet took 40 + 120 epochs (Cai et al. 2019)."""

    strategy: str = Field("gradient", description="How the architecture is updated.")
    gates: Literal["two", "all"] = Field(
        "two", description="Operations compared per layer and step: two sampled, or all."
    )
    warmup_epochs: int = Field(6, ge=0, description="Epochs that train weights only, on uniformly sampled paths.")
    epochs: int = Field(16, ge=1, description="Epochs after the warm-up that alternate weight and architecture steps.")
    batch_size: int = Field(32, ge=2, description="Images per step.")
    lr: float = Field(0.05, gt=0, description="Peak learning rate of the weights; cosine to zero.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum of the weights.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay of convolutions and the classifier.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of the weight steps.")
    arch_lr: float | None = Field(
        None, gt=0, description="Adam learning rate of the logits; none: such that they can move by 15 over the search."
    )
    arch_every: int = Field(1, ge=1, description="Weight steps per architecture step.")
    held_out: float = Field(0.3, gt=0, lt=1, description="Share of the training images kept for architecture steps.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    device: Accelerator = Field("auto", description="Where to train: auto, cpu or cuda.")
    precision: Precision = Field("32-true", description="Arithmetic: 32-true, or bf16-mixed.")
    limit: int | None = Field(None, ge=1, description="Use at most so many images of each split.")
