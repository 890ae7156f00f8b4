"""Strategies that follow a gradient of the logits."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.data.batches import Batch
from proxyless.host import to_host
from proxyless.optim import require_finite
from proxyless.search.strategies.base import Setting, StepInputs, StepResult, Strategy


class LogitSteps:
    """Adam with betas (0, 0.999) and no weight decay, as the reference code of Cai et al. 2019, entry by entry.

    An entry that was not compared in a step has no gradient, rather than one of zero: nothing of it changes, and the
    steps of one that is compared seldom are as long as those of any other. (With zeros, they would be longer by the
    root of how seldom it is compared, and its random walk as wide as if it were compared always.)
    shape: of the logits (layers, most operations).
    """

    _BETA, _EPSILON = 0.999, 1e-8

    def __init__(self, shape: torch.Size, lr: float) -> None:
        self.lr = lr
        self.second_moments, self.counts = torch.zeros(shape), torch.zeros(shape)

    def step(self, logits: Tensor, gradient: Tensor, compared: Tensor) -> None:
        """Move `logits` in place where `compared` (bool) says so; all three of one shape."""
        self.counts += compared
        moments = self._BETA * self.second_moments + (1 - self._BETA) * gradient.square()
        self.second_moments = moments.where(compared, self.second_moments)
        unbiased = self.second_moments / (1 - self._BETA**self.counts).clamp_min(self._EPSILON)
        step = self.lr * gradient / (unbiased.sqrt() + self._EPSILON)
        logits.sub_(step.where(compared, 0.0))

    def state_dict(self) -> dict[str, Tensor]:
        return {"second_moments": self.second_moments.clone(), "counts": self.counts.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.second_moments.copy_(state["second_moments"])
        self.counts.copy_(state["counts"])


class AdamStrategy(Strategy):
    """A gradient is computed on the supernet's device and comes to the CPU once per step."""

    learns = True

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.steps = LogitSteps(self.architecture.logits.shape, setting.arch_lr)

    def step(self, inputs: StepInputs) -> StepResult:
        logits = self.architecture.logits.detach().to(self.expected.costs.device, non_blocking=True).requires_grad_()
        gradient, result = self._gradient(inputs, logits)
        gradient = to_host(inputs.average(gradient))
        require_finite(gradient.sum(), "gradient of the architecture")
        self._apply(gradient)
        return result

    @abstractmethod
    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        """Gradient of the objective with respect to `logits` (layers, most operations)."""

    @torch.no_grad()
    def _apply(self, gradient: Tensor) -> None:
        logits = self.architecture.logits
        self.steps.step(logits, gradient, torch.isfinite(logits))

    def _total(self, loss: Tensor, logits: Tensor) -> Tensor:
        """The objective, with the exact expectation of the costs: no sampling noise there."""
        return self.objective.total(loss, self.expected(self._probs(logits)))

    def _probs(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "steps": self.steps.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.steps.load_state_dict(state["steps"])


def measured(outputs: Tensor, batch: Batch) -> tuple[Tensor, StepResult]:
    """Cross entropy of the outputs (images, classes), differentiable, and what to log of it."""
    labels = batch[1]
    loss = cross_entropy(outputs, labels)
    return loss, StepResult(loss.detach(), (outputs.detach().argmax(1) == labels).float().mean())
