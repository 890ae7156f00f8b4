"""Strategies that follow a gradient of the logits."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.data.batches import Batch
from proxyless.host import to_host
from proxyless.nn import Choice, Mixture
from proxyless.optim import require_finite
from proxyless.search.sampling import sample_path
from proxyless.search.strategies.base import Setting, StepInputs, StepResult, Strategy
from proxyless.search.strategies.policy import policy_term
from proxyless.search.strategies.settings import PATHS


class LogitSteps:
    """Adam with betas (0, 0.999) and no weight decay, as the reference code of Cai et al. 2019, entry by entry.

    An entry that was not compared in a step has no gradient, rather than one of zero: nothing of it changes, and the
    steps of one that is compared seldom are as long as those of any other. (With zeros, they would be longer by the
    root of how seldom it is compared, and its random walk as wide as if it were compared always.)
    shape: of the logits (layers, most operations).
    """

    _BETA, _EPSILON = 0.999, 1e-8

    lr: float | Tensor

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
    """A gradient is computed on the supernet's device and comes to the CPU once per step.

    Decisions whose choices no gate compares (widths, depths, resolution) are drawn, and follow the policy gradient:
    several of their combinations are computed on the same images, with the same operations.
    """

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

    def draw_ungated(self, generator: torch.Generator) -> dict[int, int]:
        """A choice for every decision without gates, by their probabilities."""
        gated = self.architecture.gated
        if all(gated):
            return {}
        path = sample_path(self.architecture.logits.detach(), generator)
        return {decision: choice for decision, choice in enumerate(path) if not gated[decision]}

    def mixtures(self, weights: Tensor, ungated: Mapping[int, int]) -> list[Choice | Mixture]:
        """Weighted sums of operations, at the drawn choices of the other decisions. weights: (decisions, most)."""
        return [
            Choice(ungated[decision]) if decision in ungated else Mixture(weights[decision, :count])
            for decision, count in enumerate(self.architecture.counts)
        ]

    def policy(self, inputs: StepInputs, logits: Tensor, choices: Sequence[Choice | Mixture], loss: Tensor) -> Tensor:
        """Zero, with the gradient of the expected loss in the logits of the decisions without gates.

        choices: of this step, with their loss. Further draws of those decisions are compared with it.
        """
        ungated = [decision for decision, gated in enumerate(self.architecture.gated) if not gated]
        if not ungated:
            return loss.new_zeros(())
        plain = [Choice(choice.active) if isinstance(choice, Choice) else choice for choice in choices]
        paths, losses = [[_active(plain[decision]) for decision in ungated]], [loss]
        for _ in range(PATHS - 1):
            drawn = self.draw_ungated(inputs.generator)
            others = [Choice(drawn[number]) if number in drawn else choice for number, choice in enumerate(plain)]
            with torch.no_grad():
                losses.append(measured(inputs.forward(inputs.held_out[0], others), inputs.held_out)[1].loss)
            paths.append([drawn[decision] for decision in ungated])
        return policy_term(inputs.average(torch.stack(losses)), logits.log_softmax(1)[ungated], paths)

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


def _active(choice: Choice | Mixture) -> int:
    assert isinstance(choice, Choice)
    return choice.active


def measured(outputs: Tensor, batch: Batch) -> tuple[Tensor, StepResult]:
    """Cross entropy of the outputs (images, classes), differentiable, and what to log of it."""
    labels = batch[1]
    loss = cross_entropy(outputs, labels)
    return loss, StepResult(loss.detach(), (outputs.detach().argmax(1) == labels).float().mean())
