"""What several tests need."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from proxyless.space import Architecture, Layer, LayerSpec, Shape, Space, tiny
from proxyless.testing.networks import EVERY_OPERATOR, deployable, folded_weights, random_images, randomise
from proxyless.testing.problems import bound_at, table_by_macs, toy_data, toy_space

SHARED = Path(__file__).parents[2] / "shared" / "data"

NO_BUDGET = "10000ms"
"""Every network keeps it, however busy the machine is."""


def architecture(ops: str, space: Space | None = None) -> Architecture:
    return Architecture(space or tiny(), tuple(ops.split()))


MIXED_OPS = "k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6"
"""A network of `tiny` with every kernel, both expansions, both strides and skips."""


def kernel_and_expand(op: str) -> tuple[int, int]:
    """Of `kKeE`; of the skip, zeros."""
    match = re.fullmatch(r"k(\d+)e(\d+)", op)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def mbconv_layer(in_shape: Shape, out_shape: Shape, ops: Iterable[str]) -> Layer:
    """A searched layer of inverted bottlenecks by their names."""
    return Layer.of(
        in_shape, out_shape, {op: LayerSpec("mbconv", in_shape, out_shape, *kernel_and_expand(op)) for op in ops}
    )


def one_hot(index: int, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(index), count).double()


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
    "deployable",
    "folded_weights",
    "kernel_and_expand",
    "mbconv_layer",
    "one_hot",
    "random_images",
    "randomise",
    "saved_bytes",
    "table_by_macs",
    "toy_data",
    "toy_space",
]
