"""What a network is worth on images."""

from collections.abc import Callable
from itertools import islice

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from proxyless.data import Batches
from proxyless.fabric import average
from proxyless.host import to_host
from proxyless.search.worth import Worth, summed_worth


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Batches,
    fabric: Fabric | None = None,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Worth:
    """Cross entropy, and the share of the images whose highest logit is their label's.

    fabric: of several processes; they take the batches in turn, and all return the same.
    forward: what runs the network, where it is not simply called.
    """
    was_training = network.training
    network.eval()
    run = forward or network
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    sums = summed_worth(run, islice(batches.ordered(), rank, None, world), batches.device)
    network.train(was_training)
    loss, correct = (world * to_host(average(fabric, sums) if fabric else sums)).tolist()
    return Worth(loss / len(batches.labels), round(correct) / len(batches.labels))
