"""How architectures are proposed and updated."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from proxyless.nn import Choice
from proxyless.search.architecture import ArchitectureLogits, ExpectedLatency
from proxyless.search.objective import Objective

Forward = Callable[[Tensor, Sequence[Choice]], Tensor]
"""The supernet: images and one choice per layer to logits."""


@dataclass(frozen=True)
class StepResult:
    """loss: cross entropy on held-out images. expected_ms: before the step."""

    loss: Tensor
    expected_ms: float


class Strategy(ABC):
    """Owns the architecture parameters; the loop owns everything else.

    The loop calls `sample_path` before every weight step, and `step` with held-out images for every
    architecture step. Neither may change the supernet's weights.
    """

    def __init__(self, architecture: ArchitectureLogits, latency: ExpectedLatency, gates: str, lr: float) -> None:
        self.architecture, self.latency, self.gates = architecture, latency, gates
        self.optimizer = torch.optim.Adam([architecture.logits], lr=lr, betas=(0.0, 0.999))

    def sample_path(self, generator: torch.Generator) -> list[int]:
        """One operation per layer, drawn from the current probabilities on the CPU."""
        probs = self.architecture.probs().detach().cpu()
        path: list[int] = torch.multinomial(probs, 1, generator=generator).flatten().tolist()
        return path

    @abstractmethod
    def step(
        self,
        forward: Forward,
        images: Tensor,
        labels: Tensor,
        objective: Objective,
        generator: torch.Generator,
    ) -> StepResult:
        """Update the architecture parameters once.

        Raises:
            CheckError: the loss is not finite; nothing was changed.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed search needs."""
        return {"logits": self.architecture.logits.detach().clone(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self.architecture.logits.copy_(state["logits"])
        self.optimizer.load_state_dict(state["optimizer"])
