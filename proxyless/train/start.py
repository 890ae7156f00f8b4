"""The weights that a training starts from."""

from pathlib import Path

from torch import Tensor

from proxyless.errors import InputError
from proxyless.nn import build_network, load_weights
from proxyless.search.result import RESULT, load_result
from proxyless.search.run import load_supernet
from proxyless.search.shared import inherit
from proxyless.space import Architecture


def starting_weights(init: Path, architecture: Architecture) -> dict[str, Tensor]:
    """Of a network: its part of what a search trained, or what a file of weights holds.

    init: the folder of a finished search of the network's space, or a safetensors file.

    Raises:
        InputError: neither, damaged, or of another network or space.
    """
    if init.is_dir() and ((init / RESULT).exists() or not list(init.glob("*.safetensors"))):
        return _of_search(init, architecture)
    if init.is_dir():
        raise InputError(f"{init} is a folder and not that of a search; give the file of weights in it")
    if not init.exists():
        raise InputError(f"no such folder or file: {init}; give the folder of a finished search, or a file of weights")
    network = build_network(architecture.layers)
    load_weights(init, network)
    return network.state_dict()


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
