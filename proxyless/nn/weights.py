"""Weights of a network as safetensors."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from proxyless.errors import InputError
from proxyless.files import atomic


def save_weights(path: Path, network: nn.Module) -> None:
    """Write parameters and running statistics."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic(path) as temporary:
        save_file(state, temporary)


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill the network with saved weights.

    Raises:
        InputError: missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"weights {path} cannot be used: {str(error).splitlines()[0]}") from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise InputError(f"weights {path} are not all finite numbers; train again")
