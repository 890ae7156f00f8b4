"""Accuracy of a network."""

from collections.abc import Callable
from itertools import islice

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from proxyless.data import Batches
from proxyless.fabric import average
from proxyless.host import to_host


@torch.no_grad()
def accuracy(
    network: nn.Module,
    batches: Batches,
    fabric: Fabric | None = None,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Share of the images whose highest logit is their label's, from 0 to 1.

    fabric: of several processes; they take the batches in turn, and all return the same.
    forward: what runs the network, where it is not simply called.
    """
    was_training = network.training
    network.eval()
    run = forward or network
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    correct = torch.zeros((), device=batches.device, dtype=torch.float64)
    for images, labels in islice(batches.ordered(), rank, None, world):
        correct += (run(images).argmax(1) == labels).sum()
    network.train(was_training)
    return round(world * float(to_host(average(fabric, correct) if fabric else correct))) / len(batches.labels)
