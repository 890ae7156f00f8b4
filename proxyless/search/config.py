"""The settings of a search, checked without importing what they name: a typo is refused at once."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, SerializeAsAny, SerializerFunctionWrapHandler, model_serializer, model_validator

from proxyless.config import MAX_COUNT, RecipeSettings
from proxyless.errors import check_name
from proxyless.search.strategies import (
    STRATEGIES,
    LearningSettings,
    SamplingSettings,
    StrategySettings,
    find_kind,
    known_strategies,
)

OBJECTIVE_NAMES = ("constrained", "add-linear", "mul-log", "mul-ratio")

_STRATEGY = "gradient"
_WARMUP_EPOCHS, _WARMUP_STEPS = 6, 200
_EPOCHS, _STEPS = 16, 500
"""Few images make few steps an epoch, and a network learns in steps."""


class SearchSettings(RecipeSettings):
    """How to search.

    ImageNet took 40 + 120 epochs at batch 256, with 5 weight steps per architecture step (Cai et al. 2019);
    the reference code has no architecture step in the first of the 120, which is one more epoch of warm-up here.

    own: the settings that only this strategy has. In documents they stand beside the others.
    """

    strategy: str = Field(_STRATEGY, description="How architectures are found.")
    own: SerializeAsAny[StrategySettings] = STRATEGIES[_STRATEGY].settings()
    objective: str = Field("constrained", description=f"How costs enter the loss: {', '.join(OBJECTIVE_NAMES)}.")
    penalty: float | None = Field(
        None, ge=0, description="Strength of the penalty of add-linear, mul-log and mul-ratio; none: their own default."
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
        description="Weights of a layer's operations in the warm-up, and in all epochs of a strategy that learns "
        "nothing: shared, all parts of the largest, or their own.",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=MAX_COUNT,
        description="Epochs after the warm-up that alternate weight and architecture steps; none: "
        f"{_EPOCHS}, or as many as make {_STEPS} weight steps.",
    )
    halving: bool = Field(
        True,
        description="At the end, train the best candidates for a short time, half of them on, and so forth, to choose.",
    )
    finalists: int = Field(8, ge=2, le=1024, description="Candidates that halving begins with.")
    rung_epochs: int = Field(1, ge=1, le=MAX_COUNT, description="Epochs on the first rung of halving; then twice that.")
    held_out: float = Field(0.3, gt=0, lt=1, description="Share of the training images kept for architecture steps.")

    @model_validator(mode="before")
    @classmethod
    def _gather_own(cls, values: Any) -> Any:
        """From a document, where all settings stand side by side."""
        if not isinstance(values, dict) or isinstance(values.get("own"), StrategySettings):
            return values
        if "own" in values:
            raise ValueError("'own' is no setting; write those of a strategy beside the others")
        name = values.get("strategy", _STRATEGY)
        if not isinstance(name, str):
            return values  # which is refused next
        own = find_kind(name).settings
        rest = {key: value for key, value in values.items() if key in cls.model_fields}
        _refuse_foreign(name, [key for key in values if key not in rest and key not in own.model_fields])
        return {**rest, "own": own.model_validate({key: values[key] for key in values if key not in rest})}

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        kind = find_kind(self.strategy)
        if type(self.own) is not kind.settings:
            raise ValueError(
                f"the settings of the strategy {self.strategy!r} are {kind.settings.__name__}, "
                f"not {type(self.own).__name__}; give those"
            )
        check_name("objective", self.objective, OBJECTIVE_NAMES)
        if self.objective == "constrained" and self.penalty is not None:
            raise ValueError(
                f"the objective 'constrained' finds its multipliers itself, it has no penalty of {self.penalty:g}; "
                "leave the penalty out, or choose another objective"
            )
        self.own.check_with(self)
        return self

    @model_serializer(mode="wrap")
    def _beside_each_other(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        own = values.pop("own")
        return {**values, **own}

    @property
    def learning(self) -> LearningSettings:
        """Of architecture steps; where the strategy has none, the defaults."""
        return self.own if isinstance(self.own, LearningSettings) else LearningSettings()

    @property
    def evaluations(self) -> int:
        """Networks that are evaluated when training has ended."""
        return self.own.evaluations if isinstance(self.own, SamplingSettings) else 0

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


def _refuse_foreign(strategy: str, names: Collection[str]) -> None:
    """Raise ValueError for a setting that only other strategies have; what none has is refused as any unknown name."""
    known = known_strategies() if names else {}
    for name in names:
        users = [other for other, kind in known.items() if name in kind.settings.model_fields]
        if users:
            raise ValueError(
                f"'{name}' is a setting of the strategy {' or '.join(users)}, not of {strategy}; leave it out"
            )


@dataclass(frozen=True)
class Schedule:
    """Epochs of a search: before the architecture learns, and from then on."""

    warmup_epochs: int
    epochs: int

    @property
    def total(self) -> int:
        return self.warmup_epochs + self.epochs
