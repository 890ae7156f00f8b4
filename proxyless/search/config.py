"""The settings of a search."""

from typing import Literal

from pydantic import Field

from proxyless.config import RecipeSettings


class SearchSettings(RecipeSettings):
    """How to search. ImageNet took 40 + 120 epochs at batch 256 (Cai et al. 2019)."""

    strategy: str = Field("gradient", description="How the architecture is updated.")
    objective: str = Field("constrained", description="How latency enters the loss.")
    gates: Literal["two", "all"] = Field(
        "two", description="Operations compared per layer and step: two sampled, or all."
    )
    warmup_epochs: int = Field(6, ge=0, description="Epochs that train weights only, on uniformly sampled paths.")
    epochs: int = Field(16, ge=1, description="Epochs after the warm-up that alternate weight and architecture steps.")
    arch_lr: float | None = Field(
        None, gt=0, description="Adam learning rate of the logits; none: such that they can move by 15 over the search."
    )
    arch_every: int = Field(1, ge=1, description="Weight steps per architecture step.")
    held_out: float = Field(0.3, gt=0, lt=1, description="Share of the training images kept for architecture steps.")
