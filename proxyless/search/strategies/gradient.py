"""Proxyless-G: architecture parameters by gradient (Cai, Zhu, Han, ICLR 2019, sections 3.2 and 3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from proxyless.nn import Choice
from proxyless.search.sampling import active_probs, draw_evenly, sample_pairs
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import Setting, StepInputs, StepResult
from proxyless.search.strategies.settings import GradientSettings


class GradientStrategy(AdamStrategy):
    """One forward and backward pass of a sampled path gives the gradient of the gates.

    gates `two`: two operations per layer are sampled and compared (section 3.3.1); afterwards both logits
    are shifted alike, so that the probabilities of the others do not move.
    gates `all`: the active operation is compared with every other one of its layer, re-computed in the backward pass.

    **Which operation is active.** `dL/dg_j - dL/dg_a` is what it costs to *add* a little of `j` to `a`, and stands for
    what it costs to put `j` in the place of `a`. Behind a normalisation these differ, and always to the disadvantage
    of the inactive one. Averaged over both ends, active `a` and active `j`, it is the trapezoidal rule: exact for a
    loss that is quadratic in the gates. So the active one of a pair is drawn evenly, and where all are compared, each
    comparison is divided by how often it is seen from this end.

    Decisions without gates (widths, depths, resolution) follow the policy gradient, see `AdamStrategy`.

    **Costs** of a pair are weighted as its losses are: by the probabilities within the pair. Otherwise the multiplier
    would mean something else in every layer, and change as layers decide.
    """

    settings: GradientSettings
    compared: list[list[int]]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        seldom = self.settings.steps_per_gradient(self.architecture.gated_counts)
        gated = torch.tensor(self.architecture.gated)[:, None]
        self.steps.lr = torch.where(gated, setting.arch_lr, setting.arch_lr / seldom)  # others move in every step

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        active = self._draw(inputs.generator)
        choices = self._choices(logits, active)
        loss, result = measured(inputs.forward(inputs.held_out[0], choices), inputs.held_out)
        loss = loss + self.policy(inputs, logits, choices, result.loss)
        return torch.autograd.grad(self._total(loss, logits), logits)[0], result

    def _draw(self, generator: torch.Generator) -> list[int]:
        """Set what is compared in this step; returns the choice of each decision that computes the output."""
        logits = self.architecture.logits.detach()
        pairs = sample_pairs(logits, generator)
        every = [list(range(count)) for count in self.architecture.counts]
        self.compared = every if self.settings.gates == "all" else pairs
        active = draw_evenly(pairs, generator)
        for decision, choice in self.draw_ungated(generator).items():
            self.compared[decision], active[decision] = every[decision], choice
        return active

    def _choices(self, logits: Tensor, active: Sequence[int]) -> list[Choice]:
        longest = max(map(len, self.compared))
        padded = torch.tensor([row + row[-1:] * (longest - len(row)) for row in self.compared])
        rows = self._gates(logits, active).gather(1, padded.to(logits.device, non_blocking=True))
        return [
            Choice(op, tuple(operations), row[: len(operations)]) if gated else Choice(op)
            for op, operations, row, gated in zip(active, self.compared, rows, self.architecture.gated, strict=True)
        ]

    def _gates(self, logits: Tensor, active: Sequence[int]) -> Tensor:
        """(layers, most operations): values whose gradients are those of the gates; they change no output.

        With the softmax `p` over what is compared, to swap `j` for the active `a` has the slope `p_a p_j` in
        `alpha_j - alpha_a`.
        """
        columns = torch.tensor(active)[:, None]
        weights = self._weights(columns).to(logits.device, logits.dtype, non_blocking=True)
        columns = columns.to(logits.device, non_blocking=True)
        difference = logits - logits.gather(1, columns)
        swaps = torch.where(weights > 0, weights * difference, 0.0)
        return swaps.scatter(1, columns, -swaps.sum(1, keepdim=True))

    def _weights(self, active: Tensor) -> Tensor:
        """(layers, most operations): `p_a p_j` over what is compared, divided by `2 pi_a`, for how often this end is
        seen; zero for the active one itself. active: (layers, 1)."""
        logits = self.architecture.logits.detach().double()
        probs = logits.where(self._mask(), -torch.inf).softmax(1)
        seen = active_probs(logits).gather(1, active) if self.settings.gates == "all" else 0.5
        return (probs.gather(1, active) * probs / (2 * seen)).scatter(1, active, 0.0)

    def _mask(self) -> Tensor:
        """(layers, most operations): what is compared."""
        mask = torch.zeros(self.architecture.logits.shape, dtype=torch.bool)
        for row, operations in zip(mask, self.compared, strict=True):
            row[operations] = True
        return mask

    def _probs(self, logits: Tensor) -> Tensor:
        """The softmax, with the gradient of the one over what is compared."""
        mask = self._mask().to(logits.device, non_blocking=True)
        within = logits.where(mask, -torch.inf).softmax(1)
        return logits.detach().softmax(1) + (within - within.detach())

    @torch.no_grad()
    def _apply(self, gradient: Tensor) -> None:
        """Step the compared logits only, keeping their joint weight in the softmax."""
        logits, compared = self.architecture.logits, self._mask()
        before = logits.clone()
        self.steps.step(logits, gradient, compared)
        weight, moved = (values.where(compared, -torch.inf).logsumexp(1) for values in (before, logits))
        logits.copy_((logits + (weight - moved)[:, None]).where(compared, before))
