"""Where training runs and in which arithmetic, through Lightning Fabric."""

import logging
import warnings

import torch
from lightning_fabric import Fabric

from proxyless.config import Accelerator, Precision
from proxyless.errors import InputError


def make_fabric(device: Accelerator, precision: Precision) -> Fabric:
    """One process on one device.

    Raises:
        InputError: CUDA was asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'")
    use_cuda = device != "cpu" and torch.cuda.is_available()
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fabric(accelerator="cuda" if use_cuda else "cpu", devices=1, precision=precision)
