"""DARTS: all candidates at once, weighted by their probabilities (Liu, Simonyan, Yang, ICLR 2019)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from proxyless.nn import Choice, Mixture
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import StepInputs, StepResult
from proxyless.search.strategies.settings import DartsSettings


class DartsStrategy(AdamStrategy):
    """A layer computes `sum_j p_j o_j(x)`, in weight steps as well as in architecture steps.

    First order: the gradient at the present weights. Setting `unrolled`: at the weights after one more step
    of gradient descent, `w' = w - lr dL_train/dw` (equation 7), at three times the cost.
    """

    settings: DartsSettings
    mixes = True

    def weight_choices(self, generator: torch.Generator, progress: float) -> list[Choice | Mixture]:
        logits = self.architecture.logits.detach().to(self.expected.costs.device, non_blocking=True)
        return self._mixtures(logits)

    def _mixtures(self, logits: Tensor) -> list[Choice | Mixture]:
        probs = logits.softmax(1)
        return [Mixture(row[:count]) for row, count in zip(probs, self.architecture.counts, strict=True)]

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        if self.settings.unrolled:
            return self._unrolled(inputs, logits)
        loss, result = measured(inputs.forward(inputs.held_out[0], self._mixtures(logits)), inputs.held_out)
        return torch.autograd.grad(self._total(loss, logits), logits)[0], result

    def _unrolled(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        """`dL_val(w', alpha)/dalpha - lr d2L_train/(dalpha dw) dL_val(w', alpha)/dw'`."""
        train = self._averaged(inputs, torch.autograd.grad(self._train_loss(inputs, logits.detach()), inputs.weights))
        with _shifted(inputs.weights, train, -inputs.lr):
            loss, result = measured(inputs.forward(inputs.held_out[0], self._mixtures(logits)), inputs.held_out)
            direct, *by_weight = torch.autograd.grad(self._total(loss, logits), [logits, *inputs.weights])
        return direct - inputs.lr * self._mixed_derivative(inputs, logits, self._averaged(inputs, by_weight)), result

    @staticmethod
    def _averaged(inputs: StepInputs, gradients: Sequence[Tensor]) -> list[Tensor]:
        return [inputs.average(gradient) for gradient in gradients]

    def _mixed_derivative(self, inputs: StepInputs, logits: Tensor, direction: Sequence[Tensor]) -> Tensor:
        """`d2L_train/(dalpha dw) direction`, exactly, by differentiating twice.

        The reference code takes a difference of two gradients instead, at weights that are 0.01 apart; between
        them a rectifier may change its side.
        """
        by_weight = torch.autograd.grad(self._train_loss(inputs, logits), inputs.weights, create_graph=True)
        product = torch.stack([(a * b).sum() for a, b in zip(by_weight, direction, strict=True)]).sum()
        return torch.autograd.grad(product, logits)[0]

    def _train_loss(self, inputs: StepInputs, logits: Tensor) -> Tensor:
        images, labels = inputs.train
        return cross_entropy(inputs.forward(images, self._mixtures(logits)), labels)


@contextmanager
def _shifted(weights: Sequence[nn.Parameter], direction: Sequence[Tensor], step: float) -> Iterator[None]:
    """The weights moved by `step * direction` inside, exactly as they were after."""
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            torch._foreach_add_(list(weights), list(direction), alpha=step)
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(list(weights), kept)
