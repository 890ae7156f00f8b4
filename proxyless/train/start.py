"""The weights that a training starts from."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from proxyless.errors import InputError, one_line
from proxyless.nn import build_network
from proxyless.search.result import RESULT, load_result
from proxyless.search.run import load_supernet
from proxyless.search.shared import inherit
from proxyless.space import Architecture
from proxyless.train.published import adopt, in_order

_TORCH = (".pth", ".pt", ".bin")
_KEYS = ("state_dict", "model")
"""Under which checkpoints of training programs keep the weights."""

_LOG = logging.getLogger(__name__)


def starting_weights(init: Path, architecture: Architecture) -> dict[str, Tensor]:
    """Of a network: its part of what a search trained, or what a file of weights holds.

    init: the folder of a finished search of the network's space, or a file of weights of a network of the same layers:
    of a training here, or of a published one (`adopt`), as safetensors or a state dict of PyTorch, read without pickle.

    Raises:
        InputError: neither, damaged, or of another network or space.
    """
    if init.is_dir() and ((init / RESULT).exists() or not list(init.glob("*.safetensors"))):
        return _of_search(init, architecture)
    if init.is_dir():
        raise InputError(f"{init} is a folder and not that of a search; give the file of weights in it")
    if not init.exists():
        raise InputError(f"no such folder or file: {init}; give the folder of a finished search, or a file of weights")
    network, state = build_network(architecture.layers), _read(init)
    if init.suffix not in _TORCH and state.keys() != network.state_dict().keys():
        state = in_order(state)
    weights, left = adopt(state, network)
    if left:
        _LOG.info("of %s everything is taken but %s, which begins with random weights", init, ", ".join(left))
    return weights


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True) if path.suffix in _TORCH else load_file(path)
    except Exception as error:  # whatever a damaged or foreign file makes the two readers raise
        raise InputError(
            f"weights {path} cannot be used ({type(error).__name__}: {one_line(str(error))[:200]}); give safetensors, "
            "or a state dict of PyTorch"
        ) from None
    for key in _KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"weights {path} cannot be used: they are no state dict, which has a tensor for every name")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise InputError(f"weights {path} are not all finite numbers; take others")
    return state


def _of_search(folder: Path, architecture: Architecture) -> dict[str, Tensor]:
    result = load_result(folder)
    space = result.build_space()
    if space.name != architecture.space.name or result.space_args != architecture.space.args:
        raise InputError(
            f"the search in {folder} was of the space {space.name} {result.space_args}, and the network is of "
            f"{architecture.space.name} {architecture.space.args}; start without --init, or from a search of its space"
        )
    try:
        path = result.path(architecture)
    except ValueError:
        raise InputError(
            f"the search in {folder} left out choices of this network for the sake of its limit on memory; start "
            "without --init"
        ) from None
    return inherit(load_supernet(folder, space), space, path).state_dict()
