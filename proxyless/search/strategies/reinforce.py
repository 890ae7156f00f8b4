"""Proxyless-R: architecture parameters by REINFORCE (Cai, Zhu, Han, ICLR 2019, section 3.3.2)."""

from typing import Any

import torch
from torch import Tensor

from proxyless.host import to_host
from proxyless.nn import plain_choices
from proxyless.search.sampling import sample_path
from proxyless.search.strategies.adam import AdamStrategy, measured
from proxyless.search.strategies.base import Setting, StepInputs, StepResult

_PATHS = 4
"""Networks per step: they need no backward pass, so that four cost about as much as one step by gradient."""

_BASELINE_RATE = 0.05
"""Weight of the newest value in the moving average."""


class ReinforceStrategy(AdamStrategy):
    """`dE[R]/dalpha = E[(R - b) dlog p/dalpha]` (Williams 1992), with the reward R of sampled networks.

    R is minus the cross entropy, or the accuracy (setting `reward`), on held-out images. The baseline b is
    an exponential moving average of R. What the networks cost enters through the exact expectation, as for
    every strategy, and not through R: it has no sampling noise.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.baseline: Tensor | None = None

    def _gradient(self, inputs: StepInputs, logits: Tensor) -> tuple[Tensor, StepResult]:
        paths = [sample_path(self.architecture.logits.detach(), inputs.generator) for _ in range(_PATHS)]
        with torch.no_grad():
            pairs = [
                measured(inputs.forward(inputs.held_out[0], plain_choices(path)), inputs.held_out) for path in paths
            ]
        loss, accuracy = (torch.stack([getattr(result, name) for _, result in pairs]) for name in ("loss", "accuracy"))
        costs = inputs.average(1 - accuracy if self.settings.reward == "accuracy" else loss)
        surrogate = costs.mean() + self._policy_term(costs, logits.log_softmax(1), paths)
        gradient = torch.autograd.grad(self._total(surrogate, logits), logits)[0]
        return gradient, StepResult(loss.mean(), accuracy.mean())

    def _policy_term(self, costs: Tensor, log_probs: Tensor, paths: list[list[int]]) -> Tensor:
        """Zero, with the gradient of the expected cost; also moves the baseline."""
        mean = costs.mean().double()  # stays on its device: nothing waits for it
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = baseline + _BASELINE_RATE * (mean - baseline)
        index = torch.tensor(paths).to(log_probs.device, non_blocking=True)
        log_path = log_probs.expand(len(paths), -1, -1).gather(2, index[:, :, None]).sum((1, 2))
        return ((costs - baseline) * (log_path - log_path.detach())).mean()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "baseline": None if self.baseline is None else float(to_host(self.baseline))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        value, device = state["baseline"], self.expected.costs.device
        self.baseline = None if value is None else torch.tensor(value, dtype=torch.float64, device=device)
