"""The search: warm-up, then weight steps and architecture steps in turn, on two halves of the training data."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.chance import guessing_loss
from proxyless.checkpoint import identity_of, save_checkpoint, taking_up, work_state
from proxyless.data import Batches
from proxyless.data.batches import Batch
from proxyless.errors import CheckError
from proxyless.estimate import say_how_long
from proxyless.execution import Choice as ExecutionChoice
from proxyless.fabric import average, average_gradients, make_fabric
from proxyless.files import write_lines
from proxyless.host import to_host
from proxyless.nn import (
    Choice,
    Mixture,
    SharedWeights,
    SuperNet,
    plain_choices,
    share_norms,
)
from proxyless.optim import SafeSteps, cosine_lr, make_sgd, set_lr
from proxyless.progress import Record, Reporter, Silent
from proxyless.scaling import LossScale
from proxyless.search.architecture import ArchitectureLogits, ExpectedCosts
from proxyless.search.config import SearchSettings
from proxyless.search.derive import choose_path
from proxyless.search.domain import BoundedDomain
from proxyless.search.objectives import find_objective
from proxyless.search.problem import Problem
from proxyless.search.result import EVALUATIONS
from proxyless.search.sampling import sample_path
from proxyless.search.shared import SharedEvaluator, divide_training
from proxyless.search.strategies import find_strategy
from proxyless.search.strategies.base import Setting, StepInputs, StepResult
from proxyless.search.trials import evaluation_records, run_trials
from proxyless.search.watch import architecture_record, collapse_warnings, ending_warnings, loss_at_chance
from proxyless.search.work import search_work
from proxyless.search.worth import Worth
from proxyless.seeds import stream_generator, stream_seed
from proxyless.tuning import agree

_LOGIT_TRAVEL = 15.0
"""How far Adam may move a logit over a whole search: enough to decide, whatever the length."""


class Search:
    """Everything that changes during a search, and the epochs that change it.

    An epoch draws all its randomness from streams of its own: a search that is resumed after any epoch
    goes on bit for bit as if it had not stopped.
    """

    def __init__(self, problem: Problem, settings: SearchSettings, choice: ExecutionChoice | None = None) -> None:
        """choice: how steps are computed, as it was recorded; without one for this device it is measured."""
        self.problem = problem
        torch.manual_seed(stream_seed(settings.seed, "initialisation"))
        self.fabric = make_fabric(settings.device)
        device = self.fabric.device
        train, held_out = divide_training(problem.data, settings)
        self.schedule = settings.schedule(len(train) // settings.batch_size)
        self.settings = settings = settings.model_copy(update=asdict(self.schedule))
        steps = self.schedule.total * (len(train) // settings.batch_size)
        self.work = search_work(problem.space, settings, steps, train.streamed)
        self.choice = agree(self.fabric, choice, self.work, settings)
        self.execution = self.choice.chosen
        self.scale = LossScale(self.execution.needs_scaling, device)
        self.supernet = self.execution.prepare(SuperNet(problem.space).to(device))
        if self.fabric.world_size > 1:
            share_norms(self.supernet, fused=device.type == "cuda" and not settings.own.differentiates_twice)
        self.shared = SharedWeights(self.supernet.layers)
        self.sgd = make_sgd(self.supernet, settings.lr, settings.momentum, settings.weight_decay)
        self.steps = SafeSteps(self.sgd)
        rank, world = self.fabric.global_rank, self.fabric.world_size
        self.train = Batches(problem.data, train, settings.batch_size, device, rank, world)
        self.held_out = Batches(problem.data, held_out, settings.batch_size, device, rank, world, augmented=False)
        self.train.require_full_batch("training")
        self.held_out.require_full_batch("held-out")
        self.guessing_loss = guessing_loss(held_out.labels)
        self.objective = find_objective(settings.objective)(problem.bounds, settings.penalty)
        architecture = ArchitectureLogits(problem.space, settings.seed)
        seldom = settings.own.steps_per_gradient(architecture.gated_counts)
        self.arch_lr = settings.learning.arch_lr or self._arch_lr(seldom)
        self.logit_speed = self.arch_lr / seldom
        setting = Setting(
            architecture,
            ExpectedCosts(problem.bounds).to(device),
            self.objective,
            settings.own,
            self.arch_lr,
            BoundedDomain(problem.bounds, problem.feasible_path, problem.space.canonical),
        )
        self.strategy = find_strategy(settings.strategy)(setting)
        self.expected = ExpectedCosts(problem.bounds)
        self.epoch = 0
        self.history: list[Record] = []
        self.identity = identity_of(
            problem.space.fingerprint,
            [problem.data.source, problem.data.classes],
            [[bound.name, bound.limit] for bound in problem.bounds],
            settings.model_dump(mode="json"),
        )

    @cached_property
    def evaluator(self) -> SharedEvaluator:
        """Made when it is first needed: its images for calibration are a copy."""
        problem = self.problem
        splits = self.train.split, self.held_out.split
        return SharedEvaluator(self.supernet, problem.space, problem.data, *splits, self.execution)

    def _arch_lr(self, seldom: float) -> float:
        """Such that a logit that is always pushed the same way moves by `_LOGIT_TRAVEL` over the search: it moves by
        the rate in the steps that compare it, one in `seldom`."""
        steps = self.schedule.epochs * math.ceil(self.train.steps / self.settings.learning.arch_every)
        return max(1e-3, min(0.1, _LOGIT_TRAVEL / max(1, steps))) * seldom

    def run(self, checkpoint: Path, reporter: Reporter | None = None) -> None:
        """Search to the end, saving after every epoch."""
        reporter = reporter or Silent()
        if self.fabric.is_global_zero:
            say_how_long(self.work, self.settings, self.choice, self.fabric.device, self._weight_steps_left())
        with self.execution.flags():
            self._run(checkpoint, reporter)

    def _weight_steps_left(self) -> float:
        """With architecture steps in the time of a weight step; the evaluation of networks is not in it."""
        own, architecture = self.settings.own, self.strategy.architecture
        after = own.weight_steps_per_step(architecture.gated_counts)
        if not all(architecture.gated):
            after += own.policy_steps()
        warmup = max(0, self.schedule.warmup_epochs - self.epoch)
        before = 1.0 if self.strategy.learns else after
        return self.train.steps * (before * warmup + after * (self.schedule.total - self.epoch - warmup))

    def _run(self, checkpoint: Path, reporter: Reporter) -> None:
        while self.epoch < self.schedule.total:
            self.history.append(self._run_epoch(reporter))
            self.epoch += 1
            self._save(checkpoint)
            reporter.epoch(self.history[-1])
        self._run_trials(checkpoint, reporter)
        warning, last = loss_at_chance(self.held_out_loss, self.guessing_loss), self.history[-1]
        if self.is_at_chance and warning not in last["warnings"]:  # also where a finished search is resumed
            last["warnings"].append(warning)
            self._save(checkpoint)
            reporter.epoch(last)

    @property
    def held_out_loss(self) -> float:
        """In nats, at the end: of the best network that was evaluated, else the mean of the last epoch."""
        evaluated = [evaluation.loss for evaluation in self.strategy.evaluations]
        return min(evaluated) if evaluated else float(self.history[-1]["held_out_loss"])

    @property
    def is_at_chance(self) -> bool:
        """Whether the weights of a finished search are no better than guessing."""
        return self.held_out_loss >= self.guessing_loss

    def _save(self, checkpoint: Path) -> None:
        if self.fabric.is_global_zero:  # saves the others the writing
            save_checkpoint(checkpoint, self.state_dict())

    def _run_epoch(self, reporter: Reporter) -> Record:
        torch.manual_seed(stream_seed(self.settings.seed, "augmentation", self.epoch))
        sampling = stream_generator(self.settings.seed, "paths", self.epoch)
        warmup = self._is_warmup
        held_out = self._endless_held_out()
        weight_results, arch_results = [], []
        for step, batch in enumerate(self.train.shuffled(self.settings.seed, "train", self.epoch)):
            done = self.epoch * self.train.steps + step
            weight_results.append(self._weight_step(batch, done, sampling))
            if not warmup and self.strategy.learns and step % self.settings.learning.arch_every == 0:
                arch_results.append(self._architecture_step(next(held_out), batch, done, sampling))
            reporter.progress(done + 1, self.schedule.total * self.train.steps, self._status(warmup))
        self.steps.check()
        if self._is_sharing:
            self.shared.lend_all()
        return self._record(warmup, weight_results, arch_results)

    def _endless_held_out(self) -> Iterator[Batch]:
        for round_ in count():
            yield from self.held_out.shuffled(self.settings.seed, f"held-out {round_}", self.epoch)

    @property
    def _is_warmup(self) -> bool:
        return self.epoch < self.schedule.warmup_epochs

    @property
    def _is_sharing(self) -> bool:
        """Learned probabilities are those of operations with weights of their own; networks that are only compared, and
        trained anew, are compared with the weights that learn fastest."""
        return self.settings.warmup_weights == "shared" and (self._is_warmup or not self.strategy.learns)

    def _progress(self, step: int) -> float:
        """Share of the search after the warm-up that is done."""
        warmup = self.schedule.warmup_epochs * self.train.steps
        return max(0.0, (step - warmup) / (self.schedule.epochs * self.train.steps))

    def _networks(self, step: int, sampling: torch.Generator) -> Sequence[Sequence[Choice | Mixture]]:
        """Where nothing is learned, the warm-up trains weights as the rest of the search does."""
        if self._is_warmup and self.strategy.learns:
            return [plain_choices(sample_path(self.strategy.architecture.logits.detach(), sampling))]
        return self.strategy.weight_networks(sampling, self._progress(step))

    def _lr(self, step: int) -> float:
        return cosine_lr(self.settings.lr, step, self.schedule.total * self.train.steps)

    def _weight_step(self, batch: Batch, step: int, sampling: torch.Generator) -> StepResult:
        images, labels = batch
        set_lr(self.sgd, self._lr(step))
        # Gradients of operations that were not sampled must be None: zero would move them by momentum and decay.
        self.sgd.zero_grad(set_to_none=True)
        first, *others = self._networks(step, sampling)
        share = 1 / (1 + len(others))
        outputs, loss = self._learn(images, first, labels, share, self.settings.label_smoothing)
        for choices in others:
            self._learn(images, choices, outputs.softmax(1), share)
        mean_loss = average_gradients(self.fabric, self.supernet.parameters(), loss)
        self.steps.step(mean_loss, "weight loss", self.scale.reduce(self.supernet.parameters()))
        return StepResult(loss, (outputs.argmax(1) == labels).float().mean())

    def _learn(
        self, images: Tensor, choices: Sequence[Choice | Mixture], targets: Tensor, share: float, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of a network's loss, of which `share` counts; returns its outputs and the loss.

        targets: labels, or probabilities (images, classes).
        """
        if self._is_sharing:
            self.shared.lend(choices)
        outputs = self._forward(images, choices)
        loss = cross_entropy(outputs, targets, label_smoothing=smoothing)
        torch.autograd.backward(share * loss)
        if self._is_sharing:
            self.shared.collect(choices)
        return outputs.detach(), loss.detach()

    def _architecture_step(self, batch: Batch, train: Batch, step: int, sampling: torch.Generator) -> StepResult:
        self.objective.update(self._ratios(), self.logit_speed)
        inputs = StepInputs(
            forward=self._forward,
            held_out=batch,
            train=train,
            weights=list(self.supernet.parameters()),
            lr=self._lr(step),
            progress=self._progress(step),
            generator=sampling,
            average=partial(average, self.fabric),
        )
        while True:
            try:
                return self.strategy.step(inputs)
            except CheckError:  # nothing was changed; in float16 it may have been an overflow
                if not self.scale.halve():
                    raise

    def _forward(self, images: Tensor, choices: Sequence[Choice | Mixture]) -> Tensor:
        with self.execution.autocast():
            logits: Tensor = self.supernet(self.execution.arrange(images), self.scale.choices(choices))
        return self.scale.outputs(logits.float())

    def _run_trials(self, checkpoint: Path, reporter: Reporter) -> None:
        def save() -> None:
            if self.fabric.is_global_zero:
                write_lines(checkpoint.with_name(EVALUATIONS), evaluation_records(self.problem, self.strategy))
            self._save(checkpoint)

        run_trials(self.strategy, self.settings.evaluations, self.settings.seed, self._evaluate, save, reporter)

    def _evaluate(self, path: Sequence[int]) -> Worth:
        """By the first process: the proposals of all processes must follow from the same figures."""
        worth = self.fabric.broadcast(self.evaluator.evaluate(path) if self.fabric.is_global_zero else None)
        assert worth is not None
        return worth

    def _ratios(self) -> list[float]:
        """Expected costs relative to their limits; on the CPU, where the logits are."""
        with torch.no_grad():
            ratios: list[float] = self.expected(self.strategy.architecture.probs()).tolist()
        return ratios

    def _status(self, warmup: bool) -> str:
        if warmup:
            return f"warm-up {self.epoch + 1}/{self.schedule.warmup_epochs}"
        bound = self.problem.bounds[0]
        expected = self._ratios()[0] * bound.limit
        return (
            f"epoch {self.epoch + 1}/{self.schedule.total}, expected {expected:.3g} of {bound.limit:.3g} {bound.unit}"
        )

    def _record(self, warmup: bool, weight_results: list[StepResult], arch_results: list[StepResult]) -> Record:
        record = {
            "epoch": self.epoch + 1,
            "phase": "warm-up" if warmup else "search",
            **self._means("train", weight_results),
            **self._means("held_out", arch_results),
            **architecture_record(self.problem.space, self.strategy, self.problem.bounds, self._ratios()),
        }
        previous = self.history[-1] if self.history else None
        found = self.objective.allowances_are_used  # not where the user chose a penalty
        warnings = [] if warmup else collapse_warnings(record, previous, multipliers_are_found=found)
        if self.strategy.learns and self.epoch + 1 == self.schedule.total:
            warnings += ending_warnings(record)
        return {**record, "warnings": warnings}

    def _means(self, part: str, results: list[StepResult]) -> Record:
        if not results:
            return {f"{part}_loss": None, f"{part}_accuracy": None}
        loss, accuracy = (torch.stack([getattr(r, name) for r in results]).mean() for name in ("loss", "accuracy"))
        mean = partial(average, self.fabric)
        return {f"{part}_loss": float(to_host(mean(loss))), f"{part}_accuracy": float(to_host(mean(accuracy)))}

    def log_probs(self) -> list[list[float]]:
        """Log of the probability of every choice of every decision."""
        return self.strategy.log_probs()

    def derive(self) -> list[int]:
        """The best network found: evaluated, or the most probable one, that keeps the bounds."""
        bounds = self.problem.bounds
        if not self.objective.allowances_are_used:
            bounds = tuple(replace(bound, least=0.0) for bound in bounds)
        return choose_path(self.log_probs(), bounds, self.strategy.trials)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed search needs beside problem and settings."""
        return {
            **work_state(self.identity, self.epoch, self.history),
            "supernet": self.supernet.state_dict(),
            "sgd": self.sgd.state_dict(),
            "strategy": self.strategy.state_dict(),
            "objective": self.objective.state_dict(),
            "scale": self.scale.state_dict(),
        }

    def resume(self, checkpoint: Path) -> None:
        """Take up the state that `run` saved.

        Raises:
            InputError: the checkpoint is damaged or of another search.
        """
        with taking_up(checkpoint, "search", self.identity, self.schedule.total) as state:
            self.supernet.load_state_dict(state["supernet"])
            self.sgd.load_state_dict(state["sgd"])
            self.strategy.load_state_dict(state["strategy"])
            self.objective.load_state_dict(state["objective"])
            self.scale.load_state_dict(state["scale"])
            self.epoch, self.history = state["epoch"], state["history"]
