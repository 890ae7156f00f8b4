"""Weights of published networks, whose modules have other names than ours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from proxyless.errors import InputError, shown

_NORM = "running_mean"
_COUNTER = "num_batches_tracked"

_OF_NETWORKS = ("conv_stem", "features", "layers", "bn1", "blocks", "conv_head", "bn2", "classifier", "head", "fc")
_OF_BLOCKS = {
    "conv_exp": ("conv_exp", "bn1", "se", "conv_pwl", "bn2"),
    "conv_pwl": ("conv_pw", "bn1", "conv_dw", "bn2", "se", "conv_pwl", "bn3"),
    "conv_dw": ("conv_dw", "bn1", "se", "conv_pw", "bn2"),
    "conv": ("conv", "bn1"),
}
_OF_EXCITATION = ("conv_reduce", "conv_expand")
"""In which order timm and torchvision compute what has these names; of timm's blocks, by a convolution that only its
kind has, the first of these that a block has."""


@dataclass(frozen=True)
class _Part:
    """The tensors of one module, by their last names."""

    name: str
    tensors: dict[str, Tensor]

    @property
    def is_norm(self) -> bool:
        return _NORM in self.tensors

    def __str__(self) -> str:
        return f"{shown(self.name)} {list(self.tensors['weight'].shape)}"


def adopt(state: Mapping[str, Tensor], network: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """The weights of a network of the same layers by the names of ours, and what had to be left random.

    Modules are matched by their names, where these are ours; else in their order, which is that of the computation in
    the code of torchvision and timm, as here: convolutions (or linear layers, which are convolutions of one pixel) with
    convolutions, BatchNorm with BatchNorm, shape by shape. A classifier for another number of classes is left as it is.
    What weights do not tell is not checked: activations, strides, the padding of TensorFlow, the epsilon of a BatchNorm
    (ours is 1e-5).
    state: as `state_dict` gives it, in its order. network: freshly initialised.

    Raises:
        InputError: another network, with the first difference.
    """
    ours, theirs = list(_parts(network.state_dict())), list(_parts(state))
    by_name = {part.name: part for part in theirs}
    if by_name.keys() == {part.name for part in ours}:
        theirs = [by_name[part.name] for part in ours]
    _check_same(theirs, ours)
    adopted, left = network.state_dict(), []
    for their, our in zip(theirs, ours, strict=True):
        if not _fits(their, our):
            left.append(f"{our.name} (for {len(our.tensors['weight'])} classes, not {len(their.tensors['weight'])})")
            continue
        for key, tensor in our.tensors.items():
            adopted[f"{our.name}.{key}"] = their.tensors[key].reshape(tensor.shape).to(tensor.dtype)
    return adopted, left


def in_order(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in the order of the computation, by their names: safetensors keep no order.

    Raises:
        InputError: names that are not those of torchvision or timm.
    """
    blocks: dict[str, set[str]] = {}
    for name in state:
        if match := re.match(r"(blocks\.\d+\.\d+)\.(\w+)", name):
            blocks.setdefault(match[1], set()).add(match[2])
    return dict(sorted(state.items(), key=lambda entry: _place(entry[0], blocks)))


def _place(name: str, blocks: Mapping[str, set[str]]) -> list[int]:
    """Where a tensor stands, as numbers that are compared one after another."""
    first, *rest = name.split(".")[:-1]
    place = [_rank(first, _OF_NETWORKS, name)]
    if first == "blocks" and len(rest) > 2:
        parts = blocks[".".join([first, *rest[:2]])]
        kind = next((kind for kind in _OF_BLOCKS if kind in parts), "conv")
        place += [int(rest[0]), int(rest[1]), _rank(rest[2], _OF_BLOCKS[kind], name)]
        rest = rest[3:]
    numbers = [int(part) if part.isdigit() else _named(part, name) for part in rest]
    return [*place, *numbers]


def _named(part: str, name: str) -> int:
    """`fc1` and `fc2`, `block` and `conv` of torchvision; what timm calls the two of a squeeze-and-excite."""
    if part in _OF_EXCITATION:
        return _OF_EXCITATION.index(part)
    if match := re.fullmatch(r"(block|conv|fc|layers)(\d*)", part):
        return int(match[2] or 0)
    raise _unknown(name)


def _rank(part: str, order: tuple[str, ...], name: str) -> int:
    if part not in order:
        raise _unknown(name)
    return order.index(part)


def _unknown(name: str) -> InputError:
    return InputError(
        f"the weights have the name {shown(name)}, which is not one of torchvision or timm, and safetensors keep no "
        "order; give a state dict that PyTorch saved (.pth)"
    )


def _check_same(theirs: list[_Part], ours: list[_Part]) -> None:
    """Raise InputError unless all modules fit, but for a classifier of other classes."""
    for number, (their, our) in enumerate(zip(theirs, ours, strict=False), 1):
        if not _fits(their, our) and not (number == len(ours) and _is_other_head(their, our)):
            raise InputError(
                f"the weights are of another network: module {number} is {their}, and in this network {our}; derive "
                "the network from a space that has theirs"
            )
    if len(theirs) != len(ours):
        raise InputError(
            f"the weights are of another network: they are of {len(theirs)} modules, and this network has {len(ours)}; "
            "derive the network from a space that has theirs"
        )


def _parts(state: Mapping[str, Tensor]) -> Iterator[_Part]:
    """The modules with weights, in order."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        module, _, key = name.rpartition(".")
        found.setdefault(module, {})[key] = tensor
    for module, tensors in found.items():
        if "weight" not in tensors:
            raise InputError(f"the weights have {shown(module)} without a 'weight': no known kind of network has that")
        yield _Part(module, {key: tensor for key, tensor in tensors.items() if key != _COUNTER})


def _fits(their: _Part, our: _Part) -> bool:
    if their.is_norm != our.is_norm or their.tensors.keys() != our.tensors.keys():
        return False
    return all(_shape(their.tensors[key]) == _shape(tensor) for key, tensor in our.tensors.items())


def _shape(tensor: Tensor) -> torch.Size:
    """Without the size of a kernel of one pixel."""
    return tensor.shape[:2] if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor.shape


def _is_other_head(their: _Part, our: _Part) -> bool:
    same_inputs = _shape(their.tensors["weight"])[1:] == _shape(our.tensors["weight"])[1:]
    return not our.is_norm and their.tensors.keys() == our.tensors.keys() and same_inputs
