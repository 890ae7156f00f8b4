"""Proxyless-G: architecture parameters by gradient (Cai, Zhu, Han, ICLR 2019, sections 3.2 and 3.3)."""

from collections.abc import Sequence
from statistics import mean

import torch
from torch import Tensor

from proxyless.nn import Choice
from proxyless.search.config import SearchSettings
from proxyless.search.sampling import sample_pairs, sample_path
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import StepInputs, StepResult


class GradientStrategy(AdamStrategy):
    """One forward and backward pass of a sampled path gives the gradient of the gates.

    gates `all`: every operation of every layer gets its gradient, re-computed in the backward pass.
    gates `two`: two operations per layer are sampled and compared (section 3.3.1); afterwards both logits
    are shifted alike, so that the probabilities of the others do not move.
    """

    compared: list[list[int]]

    @classmethod
    def steps_per_gradient(cls, settings: SearchSettings, counts: Sequence[int]) -> float:
        return max(1.0, mean(counts) / 2) if settings.gates == "two" else 1.0

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        self.compared = self._compare(inputs.generator)
        choices = self._choices(logits, inputs.generator)
        loss, result = measured(inputs.forward(inputs.held_out[0], choices), inputs.held_out)
        return torch.autograd.grad(self._total(loss, logits), logits)[0], result

    def _compare(self, generator: torch.Generator) -> list[list[int]]:
        """Per layer, the operations whose gates are compared in this step."""
        if self.settings.gates == "all":
            return [list(range(count)) for count in self.architecture.counts]
        return sample_pairs(self.architecture.logits.detach(), generator)

    def _choices(self, logits: Tensor, generator: torch.Generator) -> list[Choice]:
        """The active operation is sampled from the probabilities renormalised over the compared ones."""
        index, mask = _padded(self.compared)
        here = self.architecture.logits.detach().gather(1, index).where(mask, -torch.inf)
        active = self._active(here, generator)
        index, mask = index.to(logits.device, non_blocking=True), mask.to(logits.device, non_blocking=True)
        probs = logits.gather(1, index).where(mask, -torch.inf).softmax(1)
        return [
            Choice(operations[position], tuple(operations), row[: len(operations)])
            for operations, position, row in zip(self.compared, active, probs, strict=True)
        ]

    def _probs(self, logits: Tensor) -> Tensor:
        """The softmax, as a function of the compared logits alone: their joint weight does not move in this step."""
        index, mask = (part.to(logits.device, non_blocking=True) for part in _padded(self.compared))
        now = logits.detach().softmax(1)
        joint = now.gather(1, index).where(mask, 0.0).sum(1, keepdim=True)
        within = logits.gather(1, index).where(mask, -torch.inf).softmax(1) * joint
        return now.scatter(1, index, 0.0).scatter_add(1, index, within)

    def _active(self, logits: Tensor, generator: torch.Generator) -> list[int]:
        """Per layer, the position among the compared operations of the one that computes the output."""
        return sample_path(logits, generator)

    def _apply(self, gradient: Tensor) -> None:
        """Step the compared logits only, keeping their joint weight in the softmax."""
        logits = self.architecture.logits
        index, _ = _padded(self.compared)
        compared = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, index, True)
        before = logits.detach().clone()
        super()._apply(gradient.where(compared, 0.0))
        with torch.no_grad():
            weight, moved = (values.where(compared, -torch.inf).logsumexp(1) for values in (before, logits))
            logits.copy_((logits + (weight - moved)[:, None]).where(compared, before))


def _padded(compared: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Indices (layers, most compared), shorter rows repeating their last, and which of them count."""
    longest = max(map(len, compared))
    index = torch.tensor([row + row[-1:] * (longest - len(row)) for row in compared])
    mask = torch.arange(longest) < torch.tensor([[len(row)] for row in compared])
    return index, mask
