"""The settings of retraining."""

import math
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from proxyless.config import MAX_COUNT, RecipeSettings
from proxyless.errors import InputError

_EPOCHS, _STEPS = 30, 1000
"""Few images make few steps an epoch, and a network learns in steps."""
_MOST_WARMUP_EPOCHS = 3


class TrainSettings(RecipeSettings):
    """How to train a derived network from scratch."""

    epochs: int | None = Field(
        None, ge=1, le=MAX_COUNT, description=f"Epochs; none: {_EPOCHS}, or as many as make {_STEPS} steps."
    )
    warmup_epochs: int | None = Field(
        None,
        ge=0,
        le=MAX_COUNT,
        description="Epochs in which the learning rate rises to its peak; none: a tenth of all, at most "
        f"{_MOST_WARMUP_EPOCHS}.",
    )
    validation: float = Field(0.1, gt=0, lt=1, description="Share of the training images that choose the best epoch.")

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.epochs is not None:
            check_warmup(self.warmup_epochs, self.epochs)
        return self

    def schedule(self, steps_per_epoch: int) -> "Schedule":
        """The lengths of the training; where none were given, those that suit data of so many steps an epoch.

        Raises:
            InputError: nothing would be left beside the warm-up.
        """
        epochs = self.epochs or max(_EPOCHS, math.ceil(_STEPS / max(1, steps_per_epoch)))
        check_warmup(self.warmup_epochs, epochs)
        warmup = min(_MOST_WARMUP_EPOCHS, 0.1 * epochs) if self.warmup_epochs is None else self.warmup_epochs
        return Schedule(epochs, epochs * steps_per_epoch, round(warmup * steps_per_epoch))


def check_warmup(warmup_epochs: int | None, epochs: int) -> None:
    """Raise InputError where the learning rate would do nothing but rise."""
    if warmup_epochs is not None and warmup_epochs >= epochs:
        raise InputError(
            f"a warm-up of {warmup_epochs} epochs leaves nothing of {epochs}: the learning rate would only rise; use a "
            "shorter --warmup-epochs or more --epochs"
        )


@dataclass(frozen=True)
class Schedule:
    """Lengths of a training."""

    epochs: int
    steps: int
    warmup_steps: int
