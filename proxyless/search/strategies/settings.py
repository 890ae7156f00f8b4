"""What only one strategy can be told: a model for each, and what the search asks of it. Nothing here needs torch."""

from collections.abc import Sequence
from statistics import mean
from typing import Literal

from pydantic import Field

from proxyless.config import MAX_COUNT, RecipeSettings, Settings

_FORWARD = 0.35
"""The time of a forward pass in that of a weight step."""
SANDWICH = 4
"""Networks in a step of the sandwich rule."""
PATHS = 4
"""Networks per step: they need no backward pass, so that four cost about as much as one step by gradient."""


class StrategySettings(Settings):
    """The settings of a strategy. In files and on the command line they stand beside those of every search, so that no
    name may be one of theirs; each field has a default, and a description that becomes the help of its flag."""

    def check_with(self, recipe: RecipeSettings) -> None:
        """Raise ValueError, with what to do, where they do not go together with those of every search."""

    @property
    def differentiates_twice(self) -> bool:
        """Whether the weight loss is differentiated again: not every kernel can be."""
        return False

    @property
    def sums_gradients(self) -> bool:
        """Whether a weight step adds up the gradients of several networks: blocks are not replayed then."""
        return False

    def steps_per_gradient(self, counts: Sequence[int]) -> float:
        """In how many steps a logit has a gradient once, on average. counts: operations per layer."""
        return 1.0

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        """The time of a weight step after the warm-up, and of an architecture step where there is one, in that of a
        weight step of one path; about. counts: operations per layer."""
        return 1.0

    def policy_steps(self) -> float:
        """The time of what an architecture step draws to learn decisions without gates, in that of a weight step."""
        return 0.0


class LearningSettings(StrategySettings):
    """Of a strategy that learns probabilities while the weights train."""

    arch_lr: float | None = Field(
        None, gt=0, description="Adam learning rate of the logits; none: such that they can move by 15 over the search."
    )
    arch_every: int = Field(1, ge=1, le=MAX_COUNT, description="Weight steps per architecture step.")

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        return 1 + 1 / self.arch_every

    def policy_steps(self) -> float:
        return _FORWARD * (PATHS - 1) / self.arch_every


class SamplingSettings(StrategySettings):
    """Of a strategy that evaluates networks when the weights are trained."""

    evaluations: int = Field(100, ge=1, le=MAX_COUNT, description="Networks to evaluate with the shared weights.")
    sandwich: bool = Field(
        False,
        description="Train the largest network, the smallest and two random ones in every step, the others taught by "
        "the first, rather than one random network.",
    )

    @property
    def sums_gradients(self) -> bool:
        return self.sandwich

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        return float(SANDWICH) if self.sandwich else 1.0


class GradientSettings(LearningSettings):
    """Proxyless-G."""

    gates: Literal["two", "all"] = Field(
        "two", description="Operations to compare per layer and step: two sampled, or all."
    )

    def steps_per_gradient(self, counts: Sequence[int]) -> float:
        return max(1.0, mean(counts) / 2) if self.gates == "two" else 1.0

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        return 1 + (0.7 if self.gates == "two" else 1.4) / self.arch_every


class ReinforceSettings(LearningSettings):
    """Proxyless-R."""

    reward: Literal["loss", "accuracy"] = Field("loss", description="What is rewarded on held-out images.")

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        return 1 + _FORWARD * PATHS / self.arch_every

    def policy_steps(self) -> float:
        return 0.0


class MixtureSettings(LearningSettings):
    """Of a strategy whose layers compute every operation, and once more in the backward pass."""

    def weight_steps_per_step(self, counts: Sequence[int]) -> float:
        mixture = 1.3 * mean(counts)
        return mixture + mixture * (3 if self.differentiates_twice else 1) / self.arch_every


class DartsSettings(MixtureSettings):
    """DARTS of first or second order."""

    unrolled: bool = Field(False, description="Second order: the gradient at the weights one step ahead.")

    @property
    def differentiates_twice(self) -> bool:
        return self.unrolled

    def check_with(self, recipe: RecipeSettings) -> None:
        if self.unrolled and recipe.compile:
            raise ValueError("'unrolled' differentiates twice, which compiled blocks cannot; leave one of both out")
        if self.unrolled and recipe.precision == "16-mixed":
            raise ValueError(
                "'unrolled' differentiates twice, which scaled losses cannot; leave it out, or choose the precision "
                "bf16-mixed"
            )
