"""The search: warm-up, then weight steps and architecture steps in turn, on two halves of the training data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.data import Batches, ImageData
from proxyless.data.batches import Batch
from proxyless.errors import InputError
from proxyless.fabric import make_fabric
from proxyless.nn import Choice, SuperNet, channels_last, plain_choices
from proxyless.optim import cosine_lr, make_sgd, require_finite, set_lr
from proxyless.progress import Record, Reporter, Silent
from proxyless.search.architecture import ArchitectureLogits, ExpectedLatency
from proxyless.search.config import SearchSettings
from proxyless.search.objective import find_objective
from proxyless.search.strategies import find_strategy
from proxyless.seeds import stream_generator, stream_seed
from proxyless.space import Space
from proxyless.space.latency import LayerCosts

_LOGIT_TRAVEL = 15.0
"""How far Adam may move a logit over a whole search: enough to decide, whatever the length."""


@dataclass(frozen=True)
class Problem:
    """What to search for: the most accurate network of `space` on `data` within `budget_ms` under `costs`.

    Raises:
        InputError: on construction, when no network can fit, or the data are not of this space.
    """

    space: Space
    data: ImageData
    costs: LayerCosts
    budget_ms: float

    def __post_init__(self) -> None:
        self.costs.check_budget(self.budget_ms)
        check_classes(self.space, self.data)

    @property
    def bound_ms(self) -> float:
        return self.costs.bound_ms(self.budget_ms)


def check_classes(space: Space, data: ImageData) -> None:
    """Raise InputError unless the networks of the space have one output per class."""
    if space.num_classes != len(data.classes):
        raise InputError(
            f"{data.source} has {len(data.classes)} classes, but the networks are made for {space.num_classes}; "
            f"build the space (and profile it) with --num-classes {len(data.classes)}"
        )


class Search:
    """Everything that changes during a search, and the epochs that change it.

    An epoch draws all its randomness from streams of its own: a search that is resumed after any epoch
    goes on bit for bit as if it had not stopped.
    """

    def __init__(self, problem: Problem, settings: SearchSettings) -> None:
        self.problem, self.settings = problem, settings
        torch.manual_seed(stream_seed(settings.seed, "initialisation"))
        self.fabric = make_fabric(settings.device, settings.precision)
        supernet = channels_last(SuperNet(problem.space))
        sgd = make_sgd(supernet, settings.lr, settings.momentum, settings.weight_decay)
        self.supernet, self.sgd = self.fabric.setup(supernet, sgd)
        train, held_out = problem.data.train.divide(settings.held_out, settings.seed)
        device = self.fabric.device
        self.train = Batches(problem.data, train, settings.batch_size, device)
        self.held_out = Batches(problem.data, held_out, settings.batch_size, device)
        self.train.require_full_batch("training")
        self.held_out.require_full_batch("held-out")
        self.objective = find_objective(settings.objective)(problem.bound_ms)
        architecture = ArchitectureLogits(problem.space, settings.seed).to(device)
        latency = ExpectedLatency(problem.costs).to(device)
        strategy = find_strategy(settings.strategy)
        self.strategy = strategy(architecture, latency, settings.gates, self._arch_lr())
        self.epoch = 0
        self.history: list[Record] = []

    @property
    def epochs(self) -> int:
        return self.settings.warmup_epochs + self.settings.epochs

    def _arch_lr(self) -> float:
        steps = self.settings.epochs * self.train.steps // self.settings.arch_every
        return self.settings.arch_lr or max(1e-3, min(0.1, _LOGIT_TRAVEL / max(1, steps)))

    def run(self, checkpoint: Path, reporter: Reporter | None = None) -> None:
        """Search to the end, saving after every epoch."""
        reporter = reporter or Silent()
        while self.epoch < self.epochs:
            self.history.append(self._run_epoch(reporter))
            self.epoch += 1
            save_checkpoint(checkpoint, self.state_dict())
            reporter.epoch(self.history[-1])

    def _run_epoch(self, reporter: Reporter) -> Record:
        torch.manual_seed(stream_seed(self.settings.seed, "augmentation", self.epoch))
        sampling = stream_generator(self.settings.seed, "paths", self.epoch)
        warmup = self.epoch < self.settings.warmup_epochs
        held_out = self._endless_held_out()
        losses, arch_losses = [], []
        for step, batch in enumerate(self.train.shuffled(self.settings.seed, "train", self.epoch)):
            losses.append(self._weight_step(batch, self.epoch * self.train.steps + step, sampling))
            if not warmup and step % self.settings.arch_every == 0:
                arch_losses.append(self._architecture_step(next(held_out), sampling))
            done = self.epoch * self.train.steps + step + 1
            reporter.progress(done, self.epochs * self.train.steps, self._status(warmup))
        return self._record(warmup, losses, arch_losses)

    def _endless_held_out(self) -> Iterator[Batch]:
        for round_ in count():
            yield from self.held_out.shuffled(self.settings.seed, f"held-out {round_}", self.epoch)

    def _weight_step(self, batch: Batch, step: int, sampling: torch.Generator) -> torch.Tensor:
        images, labels = batch
        choices = plain_choices(self.strategy.sample_path(sampling))
        set_lr(self.sgd, cosine_lr(self.settings.lr, step, self.epochs * self.train.steps))
        # Gradients of operations that were not sampled must be None: zero would move them by momentum and decay.
        self.sgd.zero_grad(set_to_none=True)
        loss = cross_entropy(self.supernet(images, choices), labels, label_smoothing=self.settings.label_smoothing)
        require_finite(loss, "weight loss")
        self.fabric.backward(loss)
        self.sgd.step()
        return loss.detach()

    def _architecture_step(self, batch: Batch, sampling: torch.Generator) -> torch.Tensor:
        images, labels = batch
        result = self.strategy.step(self._forward, images, labels, self.objective, sampling)
        self.objective.update(result.expected_ms)
        return result.loss

    def _forward(self, images: torch.Tensor, choices: Sequence[Choice]) -> torch.Tensor:
        """The bare supernet: Fabric's wrapper allows no gradients but those of `fabric.backward`."""
        with self.fabric.autocast():
            logits: torch.Tensor = self.supernet.module(images, choices)
        return logits.float()

    def _expected_ms(self) -> float:
        with torch.no_grad():
            return float(self.strategy.latency(self.strategy.architecture.probs()))

    def _status(self, warmup: bool) -> str:
        if warmup:
            return f"warm-up {self.epoch + 1}/{self.settings.warmup_epochs}"
        bound = self.problem.bound_ms
        return f"epoch {self.epoch + 1}/{self.epochs}, expected {self._expected_ms():.3g} of {bound:.3g} ms"

    def _record(self, warmup: bool, losses: list[torch.Tensor], arch_losses: list[torch.Tensor]) -> Record:
        return {
            "epoch": self.epoch + 1,
            "phase": "warm-up" if warmup else "search",
            "train_loss": float(torch.stack(losses).mean()),
            "held_out_loss": float(torch.stack(arch_losses).mean()) if arch_losses else None,
            "expected_ms": self._expected_ms(),
            "bound_ms": self.problem.bound_ms,
            "multiplier": self.objective.strength,
            "entropy": self.strategy.architecture.entropy(),
        }

    def log_probs(self) -> list[list[float]]:
        """Log of the probability of every operation in every layer."""
        return self.strategy.architecture.log_probs()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed search needs beside problem and settings."""
        return {
            "epoch": self.epoch,
            "history": self.history,
            "supernet": self.supernet.state_dict(),
            "sgd": self.sgd.state_dict(),
            "strategy": self.strategy.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def resume(self, checkpoint: Path) -> None:
        """Take up the state that `run` saved.

        Raises:
            InputError: the checkpoint is damaged or of another search.
        """
        state = load_checkpoint(checkpoint)
        try:
            self.supernet.load_state_dict(state["supernet"])
            self.sgd.load_state_dict(state["sgd"])
            self.strategy.load_state_dict(state["strategy"])
            self.objective.load_state_dict(state["objective"])
            self.epoch, self.history = state["epoch"], state["history"]
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"checkpoint {checkpoint} is of another search ({reason}); choose another folder"
            ) from None
