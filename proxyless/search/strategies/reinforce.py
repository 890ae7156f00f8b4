"""Proxyless-R: architecture parameters by REINFORCE (Cai, Zhu, Han, ICLR 2019, section 3.3.2)."""

import torch
from torch import Tensor

from proxyless.nn import plain_choices
from proxyless.search.sampling import sample_path
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import StepInputs, StepResult
from proxyless.search.strategies.policy import policy_term
from proxyless.search.strategies.settings import PATHS, ReinforceSettings


class ReinforceStrategy(AdamStrategy):
    """`dE[R]/dalpha = E[(R - b) dlog p/dalpha]` (Williams 1992), with the reward R of sampled networks.

    R is minus the cross entropy, or the accuracy (setting `reward`), on held-out images. The baseline b of a network
    is the mean reward of the others on the same images (Kool, van Hoof and Welling, "Buy 4 REINFORCE samples, get a
    baseline for free!", 2019): how hard a batch is, which is most of the noise, cancels. What the networks cost enters
    through the exact expectation, as for every strategy, and not through R: it has no sampling noise.
    """

    settings: ReinforceSettings

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        paths = [sample_path(self.architecture.logits.detach(), inputs.generator) for _ in range(PATHS)]
        with torch.no_grad():
            pairs = [
                measured(inputs.forward(inputs.held_out[0], plain_choices(path)), inputs.held_out) for path in paths
            ]
        loss, accuracy = (torch.stack([getattr(result, name) for _, result in pairs]) for name in ("loss", "accuracy"))
        costs = inputs.average(1 - accuracy if self.settings.reward == "accuracy" else loss)
        surrogate = costs.mean() + policy_term(costs, logits.log_softmax(1), paths)
        gradient = torch.autograd.grad(self._total(surrogate, logits), logits)[0]
        return gradient, StepResult(loss.mean(), accuracy.mean())
