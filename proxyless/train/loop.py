"""Retraining of a derived network."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.chance import guessing_accuracy
from proxyless.checkpoint import identity_of, save_checkpoint, taking_up, work_state
from proxyless.data import Batches, ImageData
from proxyless.data.base import ImageSplit
from proxyless.data.batches import evaluation_batch
from proxyless.estimate import say_how_long
from proxyless.execution import Choice
from proxyless.fabric import average_gradients, make_fabric
from proxyless.host import to_host
from proxyless.nn import build_network, load_weights, save_weights, share_norms
from proxyless.optim import SafeSteps, cosine_lr, make_sgd, set_lr
from proxyless.progress import Record, Reporter, Silent
from proxyless.scaling import LossScale
from proxyless.search.problem import check_classes
from proxyless.search.worth import Worth
from proxyless.seeds import stream_seed
from proxyless.space import Architecture
from proxyless.train.config import TrainSettings
from proxyless.train.evaluate import evaluate
from proxyless.train.trained import LAST_WEIGHTS, WEIGHTS, TrainedInfo, save_info
from proxyless.tuning import Work, agree


class Training:
    """Everything that changes during training, and the epochs that change it.

    The best epoch is chosen on images held out of the training split; the test split is looked at once,
    at the end.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: ImageData,
        settings: TrainSettings,
        choice: Choice | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        """choice: how steps are computed, as it was recorded; without one for this device it is measured.
        start: weights of this network; without them they are random."""
        check_classes(architecture.space, data)
        self.data = data
        torch.manual_seed(stream_seed(settings.seed, "initialisation"))
        self.fabric = make_fabric(settings.device)
        device, rank, world = self.fabric.device, self.fabric.global_rank, self.fabric.world_size
        train, validation = data.divide_train(settings.validation, settings.seed)
        self.schedule = settings.schedule(len(train) // settings.batch_size)
        self.settings = settings = settings.model_copy(update={"epochs": self.schedule.epochs})
        self.work = Work(
            architecture.layers,
            settings.batch_size // world,
            self.schedule.steps,
            replays=world == 1 and not train.streamed,
        )
        self.choice = agree(self.fabric, choice, self.work, settings)
        self.execution = self.choice.chosen
        self.scale = LossScale(self.execution.needs_scaling, device)
        network = build_network(architecture.layers)
        if start is not None:
            network.load_state_dict(start)
        self.network = self.execution.prepare(network.to(device))
        if world > 1:
            share_norms(self.network, fused=device.type == "cuda")
        self.sgd = make_sgd(self.network, settings.lr, settings.momentum, settings.weight_decay)
        self.steps = SafeSteps(self.sgd)
        self.train = Batches(data, train, settings.batch_size, device, rank, world)
        self.validation = self._evaluated(validation)
        self.train.require_full_batch("training")
        self.epoch, self.best_epoch, self.best = 0, 0, Worth(math.inf, -1.0)
        self.history: list[Record] = []
        self.identity = identity_of(
            architecture.space.fingerprint,
            architecture.ops,
            [data.source, data.classes],
            settings.model_dump(mode="json"),
        )

    def run(
        self, folder: Path, checkpoint: Path, reporter: Reporter | None = None, *, announce: bool = True
    ) -> TrainedInfo:
        """Train to the end, saving after every epoch; returns what the best weights are worth."""
        reporter = reporter or Silent()
        if announce and self.fabric.is_global_zero:
            left = self.schedule.steps - self.epoch * self.train.steps
            say_how_long(self.work, self.settings, self.choice, self.fabric.device, left)
        with self.execution.flags():
            return self._run(folder, checkpoint, reporter)

    def _run(self, folder: Path, checkpoint: Path, reporter: Reporter) -> TrainedInfo:
        while self.epoch < self.schedule.epochs:
            loss = self._run_epoch(reporter)
            self._finish_epoch(loss, folder)
            save_checkpoint(checkpoint, self.state_dict())
            reporter.epoch(self.history[-1])
        self.fabric.barrier()  # the first process has written them
        load_weights(folder / WEIGHTS, self.network)
        info = self._describe()
        save_info(folder, info)
        return info

    def _run_epoch(self, reporter: Reporter) -> float:
        settings, losses = self.settings, []
        torch.manual_seed(stream_seed(settings.seed, "augmentation", self.epoch))
        for step, (images, labels) in enumerate(self.train.shuffled(settings.seed, "train", self.epoch)):
            done, total = self.epoch * self.train.steps + step, self.schedule.steps
            set_lr(self.sgd, cosine_lr(settings.lr, done, total, self.schedule.warmup_steps))
            self.sgd.zero_grad(set_to_none=True)
            loss = cross_entropy(self._forward(images), labels, label_smoothing=settings.label_smoothing)
            torch.autograd.backward(loss)
            losses.append(average_gradients(self.fabric, self.network.parameters(), loss))
            self.steps.step(losses[-1], "training loss", self.scale.reduce(self.network.parameters()))
            reporter.progress(done + 1, total, f"epoch {self.epoch + 1}/{self.schedule.epochs}")
        self.steps.check()
        return float(to_host(torch.stack(losses).mean()))

    def _forward(self, images: Tensor) -> Tensor:
        with self.execution.autocast():
            logits: Tensor = self.network(self.execution.arrange(images))
        return self.scale.outputs(logits.float())

    def _worth(self, batches: Batches) -> Worth:
        return evaluate(self.network, batches, self.fabric, self._forward)

    def _evaluated(self, split: ImageSplit) -> Batches:
        device = self.fabric.device
        return Batches(self.data, split, evaluation_batch(device, split.resolution, self.settings.batch_size), device)

    def _finish_epoch(self, loss: float, folder: Path) -> None:
        worth = self._worth(self.validation)
        self.epoch += 1
        save_weights(folder / LAST_WEIGHTS, self.network)
        if worth.accuracy >= self.best.accuracy:
            self.best, self.best_epoch = worth, self.epoch
            save_weights(folder / WEIGHTS, self.network)
        record = {"validation_loss": worth.loss, "validation_accuracy": worth.accuracy}
        self.history.append({"epoch": self.epoch, "train_loss": loss, **record})

    def _describe(self) -> TrainedInfo:
        return TrainedInfo(
            data=self.data.source,
            limit=self.settings.limit,
            classes=list(self.data.classes),
            mean=self.data.mean,
            std=self.data.std,
            best_epoch=self.best_epoch,
            validation_loss=self.best.loss if math.isfinite(self.best.loss) else None,
            validation_accuracy=self.best.accuracy,
            guessing_accuracy=guessing_accuracy(self.data.test.labels),
            test_accuracy=self._worth(self._evaluated(self.data.test)).accuracy,
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs beside architecture, data and settings."""
        return {
            **work_state(self.identity, self.epoch, self.history),
            "best_epoch": self.best_epoch,
            "best": asdict(self.best),
            "network": self.network.state_dict(),
            "sgd": self.sgd.state_dict(),
            "scale": self.scale.state_dict(),
        }

    def resume(self, checkpoint: Path) -> None:
        """Take up the state that `run` saved.

        Raises:
            InputError: the checkpoint is damaged or of another training.
        """
        with taking_up(checkpoint, "training", self.identity, self.schedule.epochs) as state:
            self.network.load_state_dict(state["network"])
            self.sgd.load_state_dict(state["sgd"])
            self.scale.load_state_dict(state["scale"])
            self.epoch, self.history = state["epoch"], state["history"]
            self.best_epoch, self.best = int(state["best_epoch"]), Worth(**state["best"])
