"""DARTS: all candidates at once, weighted by their probabilities (Liu, Simonyan, Yang, ICLR 2019)."""

from collections.abc import Iterator, Mapping, Sequence
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
        return self.mixtures(logits.softmax(1), self.draw_ungated(generator))

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        ungated = self.draw_ungated(inputs.generator)
        if self.settings.unrolled:
            return self._unrolled(inputs, logits, ungated)
        loss, result = self._held_out_loss(inputs, logits, ungated)
        return torch.autograd.grad(self._total(loss, logits), logits)[0], result

    def _held_out_loss(
        self, inputs: StepInputs, logits: Tensor, ungated: Mapping[int, int]
    ) -> tuple[Tensor, StepResult]:
        choices = self.mixtures(logits.softmax(1), ungated)
        loss, result = measured(inputs.forward(inputs.held_out[0], choices), inputs.held_out)
        return loss + self.policy(inputs, logits, choices, result.loss), result

    def _unrolled(self, inputs: StepInputs, logits: Tensor, ungated: Mapping[int, int]) -> tuple[Tensor, StepResult]:
        """`dL_val(w', alpha)/dalpha - lr d2L_train/(dalpha dw) dL_val(w', alpha)/dw'`."""
        loss = self._train_loss(inputs, logits.detach(), ungated)
        train = self._averaged(inputs, inputs.weights, torch.autograd.grad(loss, inputs.weights, allow_unused=True))
        with _shifted(inputs.weights, train, -inputs.lr):
            loss, result = self._held_out_loss(inputs, logits, ungated)
            total = self._total(loss, logits)
            direct, *by_weight = torch.autograd.grad(total, [logits, *inputs.weights], allow_unused=True)
        direction = self._averaged(inputs, inputs.weights, by_weight)
        return direct - inputs.lr * self._mixed_derivative(inputs, logits, direction, ungated), result

    @staticmethod
    def _averaged(
        inputs: StepInputs, weights: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]
    ) -> list[Tensor]:
        """Zero for weights that had no part: of operations that are too deep for the depth of this step."""
        filled = (torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True))
        return [inputs.average(gradient) for gradient in filled]

    def _mixed_derivative(
        self, inputs: StepInputs, logits: Tensor, direction: Sequence[Tensor], ungated: Mapping[int, int]
    ) -> Tensor:
        """`d2L_train/(dalpha dw) direction`, exactly, by differentiating twice.

        The reference code takes a difference of two gradients instead, at weights that are 0.01 apart; between
        them a rectifier may change its side.
        """
        loss = self._train_loss(inputs, logits, ungated)
        by_weight = torch.autograd.grad(loss, inputs.weights, create_graph=True, allow_unused=True)
        pairs = [(a * b).sum() for a, b in zip(by_weight, direction, strict=True) if a is not None]
        return torch.autograd.grad(torch.stack(pairs).sum(), logits)[0]

    def _train_loss(self, inputs: StepInputs, logits: Tensor, ungated: Mapping[int, int]) -> Tensor:
        images, labels = inputs.train
        return cross_entropy(inputs.forward(images, self.mixtures(logits.softmax(1), ungated)), labels)


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
