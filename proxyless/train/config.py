"""The settings of retraining."""

from pydantic import Field

from proxyless.config import MAX_COUNT, RecipeSettings


class TrainSettings(RecipeSettings):
    """How to train a derived network from scratch."""

    epochs: int = Field(30, ge=1, le=MAX_COUNT, description="Epochs.")
    warmup_epochs: int = Field(
        3, ge=0, le=MAX_COUNT, description="Epochs in which the learning rate rises to its peak."
    )
    validation: float = Field(0.1, gt=0, lt=1, description="Share of the training images that choose the best epoch.")
