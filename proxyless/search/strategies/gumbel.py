"""SNAS (Xie et al., ICLR 2019) and FBNet (Wu et al., CVPR 2019): mixtures from a Gumbel-softmax that cools down."""

import math

import torch
from torch import Tensor

from proxyless.nn import Choice, Mixture
from proxyless.search.sampling import gumbel_like
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import StepInputs, StepResult

_HOT, _COLD = 5.0, 0.2
"""Temperature at the start (FBNet) and at the end of a search; it falls exponentially between them."""


def temperature(progress: float) -> float:
    """Temperature at a share of the search from 0 to 1."""
    return _HOT * math.exp(progress * math.log(_COLD / _HOT))


class GumbelStrategy(AdamStrategy):
    """A layer computes `sum_j z_j o_j(x)` with `z = softmax((alpha + Gumbel noise) / temperature)`.

    Weight steps train such mixtures too. Hot mixtures hold every candidate, cold ones are nearly one path.
    """

    mixes = True

    def weight_choices(self, generator: torch.Generator, progress: float) -> list[Choice | Mixture]:
        logits = self.architecture.logits.detach().to(self.expected.costs.device, non_blocking=True)
        return self._noisy(logits, generator, progress)

    def _noisy(self, logits: Tensor, generator: torch.Generator, progress: float) -> list[Choice | Mixture]:
        noise = gumbel_like(self.architecture.logits.detach(), generator).to(logits.device, non_blocking=True)
        weights = ((logits.log_softmax(1) + noise) / temperature(progress)).softmax(1)
        return self.mixtures(weights, self.draw_ungated(generator))

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        choices = self._noisy(logits, inputs.generator, inputs.progress)
        loss, result = measured(inputs.forward(inputs.held_out[0], choices), inputs.held_out)
        loss = loss + self.policy(inputs, logits, choices, result.loss)
        return torch.autograd.grad(self._total(loss, logits), logits)[0], result
