"""Where training runs, on one process or many, through Lightning Fabric."""

import logging
import warnings
from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from proxyless.config import Accelerator
from proxyless.errors import InputError
from proxyless.processes import local_world, world


def check_accelerator(device: Accelerator) -> None:
    """Raise InputError when CUDA was asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'")


def make_fabric(device: Accelerator) -> Fabric:
    """One process on one device; started by `torchrun`, one of its processes.

    Raises:
        InputError: CUDA was asked for and there is none, or not one device per process.
    """
    check_accelerator(device)
    use_cuda = device != "cpu" and torch.cuda.is_available()
    if use_cuda and local_world() > torch.cuda.device_count():
        raise InputError(
            f"{local_world()} processes were started for {torch.cuda.device_count()} CUDA devices; "
            "start one per device, or use the device 'cpu'"
        )
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator="cuda" if use_cuda else "cpu",
            devices=local_world(),
            num_nodes=world() // local_world(),
            strategy="ddp" if world() > 1 else "auto",
        )
        fabric.launch()
    return fabric


def average(fabric: Fabric, tensor: Tensor) -> Tensor:
    """The mean over all processes; the tensor itself where there is one."""
    if fabric.world_size == 1:
        return tensor
    mean = tensor.detach() / fabric.world_size
    # Not fabric.all_reduce: that waits for all processes first, and on a GPU for the device.
    torch.distributed.all_reduce(mean)
    return mean


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
    """Replace every gradient by its mean over all processes; returns the mean loss. All in one exchange.

    The processes train the same path, so that the same gradients are None everywhere, and stay so. (A wrapper
    that overlaps the exchange with the backward pass would have to search for the parameters that a path does
    not use in every step; the gradients of one mobile network are a few megabytes.)
    """
    if fabric.world_size == 1:
        return loss.detach()
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = average(fabric, torch.cat([loss.detach()[None], *(gradient.flatten() for gradient in gradients)]))
    mean_loss, *parts = torch.split(flat, [1, *(gradient.numel() for gradient in gradients)])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return mean_loss[0]
