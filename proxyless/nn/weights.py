"""Weights of a network as safetensors."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from proxyless.errors import InputError, one_line
from proxyless.files import atomic, writing
from proxyless.host import to_host


def save_weights(path: Path, network: nn.Module) -> None:
    """Write parameters and running statistics."""
    state = {name: to_host(tensor).contiguous() for name, tensor in network.state_dict().items()}
    with atomic(path) as temporary, writing(path):
        save_file(state, temporary)


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill the network with saved weights.

    Raises:
        InputError: missing, damaged, or of another network.
    """
    try:
        state = load_file(path)
        _check_types(path, state, network)
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"weights {path} cannot be used: {one_line(str(error))}; copy them again, or train again"
        ) from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise InputError(f"weights {path} are not all finite numbers; train again")


def _check_types(path: Path, state: Mapping[str, torch.Tensor], network: nn.Module) -> None:
    """Filling a network converts silently: whole numbers would become weights."""
    for name, tensor in network.state_dict().items():
        if name in state and state[name].dtype != tensor.dtype:
            raise InputError(f"weights {path}: {name} is of {state[name].dtype}, not {tensor.dtype}; train again")
