"""What several tests need."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from proxyless.nn import MixedLayer, SuperNet
from proxyless.nn.mixed import Choices
from proxyless.space import Architecture, Decision, LayerSpec, Shape, Slot, Space, tiny_fixed
from proxyless.testing.networks import EVERY_OPERATOR, deployable, folded_weights, random_images, randomise
from proxyless.testing.problems import bound_at, elastic_space, every_path, table_by_macs, toy_data, toy_space

SHARED = Path(__file__).parents[2] / "shared" / "data"

NO_BUDGET = "none"
"""Every network keeps it, however busy the machine is."""


def architecture(ops: str, space: Space | None = None) -> Architecture:
    return Architecture(space or tiny_fixed(), tuple(ops.split()))


MIXED_OPS = "k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6"
"""A network of `tiny` with every kernel, both expansions, both strides and skips."""


def kernel_and_expand(op: str) -> tuple[int, int]:
    """Of `kKeE`; of the skip, zeros."""
    match = re.fullmatch(r"k(\d+)e(\d+)", op)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def mbconv_layer(in_shape: Shape, out_shape: Shape, ops: Sequence[str]) -> MixedLayer:
    """A searched layer of inverted bottlenecks by their names."""
    specs = tuple(LayerSpec("mbconv", in_shape, out_shape, *kernel_and_expand(op)) for op in ops)
    return MixedLayer(Slot((0,), (len(ops),), specs), [Decision("block", tuple(ops))])


def searched_layers(net: SuperNet) -> list[MixedLayer]:
    """Those whose operation is chosen, in order."""
    layers = [layer for layer in net.layers if isinstance(layer, MixedLayer)]
    return [layer for layer in layers if layer.decision is not None]


def input_shape(layer: MixedLayer) -> tuple[int, int, int]:
    """Channels, height, width of the largest input."""
    height, width, channels = layer.slot.layers[-1].in_shape
    return channels, height, width


def all_weighted(net: SuperNet, images: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """The reference for gates and mixtures of a space without other decisions: every operation in the graph."""
    x, rows = images, iter(weights)
    for layer in net.layers:
        assert isinstance(layer, MixedLayer)
        if layer.decision is None:
            x = layer.compute([0] * len(weights), x)
            continue
        row = next(rows)
        outputs = [layer.candidates[str(j)](x) if str(j) in layer.candidates else x for j in range(len(row))]
        x = torch.stack([weight * y for weight, y in zip(row, outputs, strict=True)]).sum(0)
    return x


def one_hot(index: int, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(index), count).double()


def saved_by_a_step(net: SuperNet, images: torch.Tensor, choices: Choices) -> int:
    """Bytes that the forward pass of a step saves for its backward pass."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(images, choices).square().mean()
    size = saved_bytes(kept)
    torch.autograd.backward(loss)
    return size


def saved_bytes(storages: Sequence[torch.Tensor]) -> int:
    """Bytes of distinct storages."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in storages}.values())


__all__ = [
    "EVERY_OPERATOR",
    "MIXED_OPS",
    "NO_BUDGET",
    "SHARED",
    "architecture",
    "bound_at",
    "elastic_space",
    "every_path",
    "deployable",
    "folded_weights",
    "kernel_and_expand",
    "mbconv_layer",
    "one_hot",
    "random_images",
    "randomise",
    "saved_by_a_step",
    "saved_bytes",
    "table_by_macs",
    "toy_data",
    "toy_space",
]
