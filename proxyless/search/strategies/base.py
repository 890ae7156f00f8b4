"""How architectures are proposed and updated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from proxyless.data.batches import Batch
from proxyless.nn import Choice, Mixture, plain_choices
from proxyless.search.architecture import ArchitectureLogits, ExpectedCosts
from proxyless.search.domain import BoundedDomain
from proxyless.search.objectives import Objective
from proxyless.search.samplers import Path
from proxyless.search.sampling import sample_path
from proxyless.search.strategies.settings import StrategySettings

Forward = Callable[[Tensor, Sequence[Choice | Mixture]], Tensor]
"""The supernet: images and one choice per layer to logits."""


@dataclass(frozen=True)
class StepInputs:
    """What an architecture step may use.

    held_out: images that the weights are not trained on. train: images of the weight step before.
    weights: of the supernet; as they were when the step returns. lr: learning rate of the next weight step.
    progress: share of the search that is done, from 0 to 1. average: the mean of a tensor over all processes.
    """

    forward: Forward
    held_out: Batch
    train: Batch
    weights: Sequence[nn.Parameter]
    lr: float
    progress: float
    generator: torch.Generator
    average: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class StepResult:
    """Cross entropy and share of right answers on the held-out images, before the step."""

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True)
class Setting:
    """What a strategy is built from.

    expected: on the device of the supernet. settings: of the strategy alone. arch_lr: resolved.
    domain: the networks that keep the bounds.
    """

    architecture: ArchitectureLogits
    expected: ExpectedCosts
    objective: Objective
    settings: StrategySettings
    arch_lr: float
    domain: BoundedDomain


@dataclass(frozen=True)
class Evaluation:
    """A network, what it is worth on held-out images with the shared weights, and its score: higher is better."""

    path: Path
    loss: float
    accuracy: float
    score: float


class Strategy:
    """Owns the architecture parameters; the loop owns everything else.

    The loop asks for `weight_networks` before every weight step, and calls `step` for every architecture step
    of a strategy that `learns` during training. When training has ended it asks for `propose` and answers with
    `record` until there is nothing to propose. None of them may change the supernet's weights.

    mixes: layers compute weighted sums of operations, not one of them. settings: a subclass says of which type.
    """

    settings: StrategySettings

    learns = False
    mixes = False

    def __init__(self, setting: Setting) -> None:
        self.architecture, self.expected = setting.architecture, setting.expected
        self.objective, self.settings = setting.objective, setting.settings
        self.domain = setting.domain

    def weight_choices(self, generator: torch.Generator, progress: float) -> Sequence[Choice | Mixture]:
        """What a weight step trains: one path, drawn from the current probabilities."""
        return plain_choices(sample_path(self.architecture.logits.detach(), generator))

    def weight_networks(self, generator: torch.Generator, progress: float) -> Sequence[Sequence[Choice | Mixture]]:
        """What a weight step trains, one after another; of several, the first learns from the labels, and the others
        from what the first says."""
        return [self.weight_choices(generator, progress)]

    def step(self, inputs: StepInputs) -> StepResult:
        """Update the architecture parameters once.

        Raises:
            CheckError: the loss is not finite; nothing was changed.
        """
        raise NotImplementedError(f"{type(self).__name__} says that it learns, and has no step")

    def propose(self, seed: int) -> Path | None:
        """A network to evaluate with the trained weights, or None."""
        return None

    def record(self, path: Path, loss: float, accuracy: float) -> None:
        """What the proposed network is worth on held-out images."""

    @property
    def evaluations(self) -> Sequence[Evaluation]:
        """What was recorded, in that order."""
        return ()

    @property
    def trials(self) -> list[Path]:
        """The distinct networks that were recorded, best first."""
        best_first = sorted(self.evaluations, key=lambda evaluation: -evaluation.score)
        return list(dict.fromkeys(evaluation.path for evaluation in best_first))

    def log_probs(self) -> list[list[float]]:
        """Log of the probability of every operation in every layer."""
        return self.architecture.log_probs()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed search needs."""
        return {"logits": self.architecture.logits.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self.architecture.logits.copy_(state["logits"])
