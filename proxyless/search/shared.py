"""What a network is worth with the weights that it shares with all others."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from proxyless.data import Batches, ImageData
from proxyless.data.base import ImageSplit, limited
from proxyless.data.batches import Batch, evaluation_batch
from proxyless.execution import Execution
from proxyless.host import to_host
from proxyless.nn import MixedLayer, SuperNet, build_network
from proxyless.nn.parts import common_part
from proxyless.nn.supernet import resized
from proxyless.search.config import SearchSettings
from proxyless.search.worth import Worth, summed_worth
from proxyless.space import Space

_CALIBRATION_IMAGES = 1024
"""Enough for the statistics of a normalisation layer, few enough to be quick."""

_BATCH_SIZE = 128


def divide_training(data: ImageData, settings: SearchSettings) -> tuple[ImageSplit, ImageSplit]:
    """The training images that train weights, and those held out from that, which train the architecture."""
    return data.divide_train(settings.held_out, settings.seed)


def inherit(supernet: SuperNet, space: Space, path: Sequence[int]) -> nn.Sequential:
    """The plain network of a path with the supernet's weights, or the parts of them that it has; its running statistics
    are not set yet.

    The supernet shares no tensor with it. path: index of the choice of each decision.
    """
    device = next(supernet.parameters()).device
    network = build_network(space.path_network(path)).to(device)
    layers = (layer for layer in supernet.layers if isinstance(layer, MixedLayer))
    sources = [found[0] for layer in layers if (found := layer.block(path))]
    for target, source in zip(network, sources, strict=True):
        shapes = {name: tensor.shape for name, tensor in target.state_dict().items()}
        state = {
            name: tensor[common_part(tensor, shapes[name])] if tensor.ndim else tensor
            for name, tensor in source.state_dict().items()
            if name in shapes  # a candidate of several operations has the weights of all
        }
        wrong = target.load_state_dict(state, strict=False)
        assert not wrong.unexpected_keys and all("running" in k or "tracked" in k for k in wrong.missing_keys)
    return network


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterator[Batch]) -> None:
    """Set the running statistics of all BatchNorm layers to the averages over the batches."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    network.train()
    for number, (images, _) in enumerate(batches, 1):
        for norm in norms:
            norm.momentum = 1 / number  # the average so far; None asks for it too, and waits for the device
        network(images)
    network.eval()


def _calibration_rows(labels: np.ndarray) -> np.ndarray:
    """Images of every class, in batches that are all full, so that each counts as much as the others, and mixed: those
    of a folder are in the order of their classes, and a batch of one class has other statistics than the data."""
    count = min(len(labels), _CALIBRATION_IMAGES)
    full = count // _BATCH_SIZE * _BATCH_SIZE if count > _BATCH_SIZE else count
    return np.random.default_rng(0).permutation(limited(labels, full))


class SharedEvaluator:
    """Evaluates paths on held-out images after calibration on training images, as they are: without augmentation."""

    def __init__(
        self,
        supernet: SuperNet,
        space: Space,
        data: ImageData,
        train: ImageSplit,
        held_out: ImageSplit,
        execution: Execution,
    ) -> None:
        self.supernet, self.space = supernet, space
        # Networks are ranked in float32, in the format and with the kernels that are fast here.
        self.execution = execution.model_copy(update={"arithmetic": "32-true", "compiled": False, "replayed": False})
        device = next(supernet.parameters()).device
        self.train_split = train
        few = train.take(_calibration_rows(to_host(train.labels).numpy()))
        self.calibration = Batches(data, few, _BATCH_SIZE, device)
        self.held_out = Batches(data, held_out, evaluation_batch(device, data.resolution, _BATCH_SIZE), device)

    @torch.no_grad()
    def evaluate(self, path: Sequence[int]) -> Worth:
        """The same images and the same statistics for every path."""
        with self.execution.flags():
            return self._evaluate(path)

    def inherited(self, path: Sequence[int]) -> nn.Sequential:
        """The network of a path with the weights of the supernet, calibrated."""
        network = self.execution.prepare(inherit(self.supernet, self.space, path))
        recalibrate(network, self._arranged(self.calibration, path))
        return network

    def _evaluate(self, path: Sequence[int]) -> Worth:
        sums = summed_worth(self.inherited(path), self._arranged(self.held_out, path), self.held_out.device)
        loss, accuracy = (to_host(sums) / len(self.held_out.labels)).tolist()
        return Worth(loss, accuracy)

    def _arranged(self, batches: Batches, path: Sequence[int]) -> Iterator[Batch]:
        """Images of the size that the network of a path takes."""
        side = self.space.path_network(path)[0].in_shape[0]
        return ((self.execution.arrange(resized(images, side)), labels) for images, labels in batches.ordered())
