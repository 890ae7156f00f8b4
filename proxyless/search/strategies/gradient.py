"""Proxyless-G: architecture parameters by gradient (Cai, Zhu, Han, ICLR 2019, sections 3.2 and 3.3)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.nn import Choice
from proxyless.optim import require_finite
from proxyless.search.objective import Objective
from proxyless.search.strategies.base import Forward, StepResult, Strategy


class GradientStrategy(Strategy):
    """One forward and backward pass of a sampled path gives the gradient of the gates.

    gates `all`: every operation of every layer gets its gradient, re-computed in the backward pass.
    gates `two`: two operations per layer are sampled and compared (section 3.3.1); afterwards both logits
    are shifted alike, so that the probabilities of the others do not move.
    The latency term always uses the full softmax: it has no sampling noise.
    """

    def step(
        self,
        forward: Forward,
        images: Tensor,
        labels: Tensor,
        objective: Objective,
        generator: torch.Generator,
    ) -> StepResult:
        logits = self.architecture.logits
        compared = self._compared(generator)
        chosen = [logits[layer, row] for layer, row in enumerate(compared)]
        loss = cross_entropy(forward(images, self._choices(chosen, compared, generator)), labels)
        require_finite(loss, "architecture loss")
        expected_ms = self.latency(self.architecture.probs())
        gradient = torch.autograd.grad(loss + objective.penalty(expected_ms), logits)[0]
        require_finite(gradient.sum(), "gradient of the architecture")
        self._apply(gradient, compared)
        return StepResult(loss.detach(), float(expected_ms.detach()))

    def _compared(self, generator: torch.Generator) -> list[list[int]]:
        """Per layer, the operations whose gates are compared in this step."""
        if self.gates == "all":
            return [list(range(count)) for count in self.architecture.counts]
        probs = self.architecture.probs().detach().cpu()
        # Sampling without replacement needs two operations with some probability left.
        legal = torch.isfinite(self.architecture.logits.detach().cpu())
        pairs: list[list[int]] = torch.multinomial(probs + 1e-9 * legal, 2, generator=generator).tolist()
        return pairs

    @staticmethod
    def _choices(chosen: list[Tensor], compared: list[list[int]], generator: torch.Generator) -> list[Choice]:
        """The active operation is sampled from the probabilities renormalised over the compared ones."""
        choices = []
        for logits, operations in zip(chosen, compared, strict=True):
            probs = logits.softmax(0)
            active = int(torch.multinomial(probs.detach().cpu(), 1, generator=generator))
            choices.append(Choice(operations[active], tuple(operations), probs))
        return choices

    def _apply(self, gradient: Tensor, compared: list[list[int]]) -> None:
        """Step the compared logits only, keeping their joint weight in the softmax."""
        logits = self.architecture.logits
        index = _padded(compared, logits)
        mask = torch.zeros_like(logits).scatter_(1, index, 1.0)
        before = logits.detach().clone()
        logits.grad = torch.where(mask > 0, gradient, 0.0)
        self.optimizer.step()
        logits.grad = None
        if self.gates == "two":
            with torch.no_grad():
                shift = before.gather(1, index).logsumexp(1) - logits.gather(1, index).logsumexp(1)
                logits.copy_(torch.where(mask > 0, logits + shift[:, None], before))


def _padded(compared: list[list[int]], like: Tensor) -> Tensor:
    """(layers, most compared): rows that are shorter repeat their last operation."""
    longest = max(len(row) for row in compared)
    return torch.tensor([row + row[-1:] * (longest - len(row)) for row in compared], device=like.device)
