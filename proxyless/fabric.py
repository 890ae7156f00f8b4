"""Where training runs and in which arithmetic, on one process or many, through Lightning Fabric."""

import logging
import os
import warnings
from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from proxyless.config import Accelerator, Precision
from proxyless.errors import InputError


def make_fabric(device: Accelerator, precision: Precision) -> Fabric:
    """One process on one device; started by `torchrun`, one of its processes.

    Raises:
        InputError: CUDA was asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'")
    use_cuda = device != "cpu" and torch.cuda.is_available()
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator="cuda" if use_cuda else "cpu",
            devices=here,
            num_nodes=nodes,
            strategy="ddp" if here * nodes > 1 else "auto",
            precision=precision,
        )
        fabric.launch()
    return fabric


def average(fabric: Fabric, tensor: Tensor) -> Tensor:
    """The mean over all processes; the tensor itself where there is one."""
    if fabric.world_size == 1:
        return tensor
    mean = fabric.all_reduce(tensor, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in one exchange; those that are None stay None.

    The processes train the same path, so that the same gradients are None everywhere. (A wrapper that
    overlaps the exchange with the backward pass would have to search for the parameters that a path does
    not use in every step; the gradients of one mobile network are a few megabytes.)
    """
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = average(fabric, torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
