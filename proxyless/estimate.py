"""How long work will take, told before it starts."""

import logging
from datetime import timedelta

import torch

from proxyless.config import RecipeSettings
from proxyless.execution import Choice
from proxyless.tuning import StepTrial, Work, step_seconds

_LOGGER = logging.getLogger(__name__)

_WORTH_SAYING_S = 10.0


def say_how_long(
    work: Work, settings: RecipeSettings, choice: Choice, device: torch.device, weight_steps: float
) -> float:
    """The seconds that so many weight steps will take, by what one takes here; told where that is long.

    weight_steps: of what is left, with everything else in the time of a weight step.
    """
    if weight_steps <= 0:
        return 0.0
    known_ms = choice.step_ms.get(str(choice.chosen))
    if known_ms is None:
        with torch.random.fork_rng(devices=[]):
            known_ms = 1e3 * step_seconds(choice.chosen, StepTrial(work, settings, device))
    seconds = known_ms / 1e3 * weight_steps
    if seconds >= _WORTH_SAYING_S:
        _LOGGER.info("about %s: %.3g ms a weight step", timedelta(seconds=round(seconds)), known_ms)
    return seconds
