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


class AdamStrategy(Strategy):
    """Adam with betas (0, 0.999) and no weight decay, as the reference code of Cai et al. 2019.

    A gradient is computed on the supernet's device and comes to the CPU once per step.
    """

    learns = True

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.optimizer = torch.optim.Adam([self.architecture.logits], lr=setting.arch_lr, betas=(0.0, 0.999))

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

    def _apply(self, gradient: Tensor) -> None:
        self.architecture.logits.grad = gradient
        self.optimizer.step()
        self.architecture.logits.grad = None

    def _total(self, loss: Tensor, logits: Tensor) -> Tensor:
        """The objective, with the exact expectation of the costs: no sampling noise there."""
        return self.objective.total(loss, self.expected(self._probs(logits)))

    def _probs(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.optimizer.load_state_dict(state["optimizer"])


def measured(outputs: Tensor, batch: Batch) -> tuple[Tensor, StepResult]:
    """Cross entropy of the outputs (images, classes), differentiable, and what to log of it."""
    labels = batch[1]
    loss = cross_entropy(outputs, labels)
    return loss, StepResult(loss.detach(), (outputs.detach().argmax(1) == labels).float().mean())
