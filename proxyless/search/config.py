"""The settings of a search, checked without importing what they name: a typo is refused at once."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from proxyless.config import MAX_COUNT, RecipeSettings
from proxyless.errors import check_name

LEARNING = ("gradient", "reinforce", "gumbel", "darts")
"""Strategies that learn probabilities while the weights train."""
SAMPLING = ("random", "evolution", "predictor")
"""Strategies that evaluate networks when the weights are trained."""
OBJECTIVE_NAMES = ("constrained", "add-linear", "mul-log", "mul-ratio")

_USED_BY = {
    "gates": ("gradient",),
    "reward": ("reinforce",),
    "unrolled": ("darts",),
    "arch_lr": LEARNING,
    "arch_every": LEARNING,
    "evaluations": SAMPLING,
}
"""Settings that the other strategies would ignore."""

_WARMUP_EPOCHS, _WARMUP_STEPS = 6, 200
_EPOCHS, _STEPS = 16, 500
"""Few images make few steps an epoch, and a network learns in steps."""


class SearchSettings(RecipeSettings):
    """How to search.

    ImageNet took 40 + 120 epochs at batch 256, with 5 weight steps per architecture step (Cai et al. 2019);
    the reference code has no architecture step in the first of the 120, which is one more epoch of warm-up here.
    """

    strategy: str = Field("gradient", description=f"How architectures are found: {', '.join((*LEARNING, *SAMPLING))}.")
    objective: str = Field("constrained", description=f"How costs enter the loss: {', '.join(OBJECTIVE_NAMES)}.")
    penalty: float | None = Field(
        None, ge=0, description="Strength of the penalty of add-linear, mul-log and mul-ratio; none: their own default."
    )
    gates: Literal["two", "all"] = Field(
        "two", description="Operations that gradient compares per layer and step: two sampled, or all."
    )
    reward: Literal["loss", "accuracy"] = Field("loss", description="What reinforce rewards on held-out images.")
    unrolled: bool = Field(False, description="Second-order darts: the gradient at the weights one step ahead.")
    evaluations: int = Field(
        100,
        ge=1,
        le=MAX_COUNT,
        description="Networks that random, evolution and predictor evaluate with the shared weights.",
    )
    warmup_epochs: int | None = Field(
        None,
        ge=0,
        le=MAX_COUNT,
        description=f"Epochs that train weights only, on uniform paths; none: {_WARMUP_EPOCHS}, or as many as "
        f"make {_WARMUP_STEPS} steps.",
    )
    warmup_weights: Literal["shared", "own"] = Field(
        "shared",
        description="Weights of a layer's operations in the warm-up, and in all epochs of random, evolution and "
        "predictor: shared, all parts of the largest, or their own.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=MAX_COUNT,
        description="Epochs after the warm-up that alternate weight and architecture steps; none: "
        f"{_EPOCHS}, or as many as make {_STEPS} weight steps.",
    )
    arch_lr: float | None = Field(
        None, gt=0, description="Adam learning rate of the logits; none: such that they can move by 15 over the search."
    )
    arch_every: int = Field(1, ge=1, le=MAX_COUNT, description="Weight steps per architecture step.")
    held_out: float = Field(0.3, gt=0, lt=1, description="Share of the training images kept for architecture steps.")

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        check_name("strategy", self.strategy, (*LEARNING, *SAMPLING))
        check_name("objective", self.objective, OBJECTIVE_NAMES)
        if self.objective == "constrained" and self.penalty is not None:
            raise ValueError(
                f"the objective 'constrained' finds its multipliers itself, it has no penalty of {self.penalty:g}; "
                "leave the penalty out, or choose another objective"
            )
        if self.unrolled and self.compile:
            raise ValueError("'unrolled' differentiates twice, which compiled blocks cannot; leave one of both out")
        if self.unrolled and self.precision == "16-mixed":
            raise ValueError(
                "'unrolled' differentiates twice, which scaled losses cannot; leave it out, or choose the precision "
                "bf16-mixed"
            )
        for name, strategies in _USED_BY.items():
            if name in self.model_fields_set and self.strategy not in strategies:
                raise ValueError(
                    f"'{name}' is a setting of the strategy {' or '.join(strategies)}, not of {self.strategy}; "
                    "leave it out"
                )
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_ignored(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings of other strategies are no part of a run: they would be refused when it is read."""
        values: dict[str, Any] = handler(self)
        ignored = [name for name, strategies in _USED_BY.items() if self.strategy not in strategies]
        return {name: value for name, value in values.items() if name not in ignored}

    def schedule(self, steps_per_epoch: int) -> "Schedule":
        """The numbers of epochs; where none were given, those that suit data of so many weight steps an epoch."""
        warmup_epochs, epochs = (
            max(least_epochs, math.ceil(least_steps / max(1, steps_per_epoch)))
            for least_epochs, least_steps in ((_WARMUP_EPOCHS, _WARMUP_STEPS), (_EPOCHS, _STEPS))
        )
        return Schedule(
            warmup_epochs if self.warmup_epochs is None else self.warmup_epochs,
            epochs if self.epochs is None else self.epochs,
        )


@dataclass(frozen=True)
class Schedule:
    """Epochs of a search: before the architecture learns, and from then on."""

    warmup_epochs: int
    epochs: int

    @property
    def total(self) -> int:
        return self.warmup_epochs + self.epochs
