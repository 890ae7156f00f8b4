"""A space: the declarative description of all networks that can be chosen."""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from proxyless.errors import InputError
from proxyless.ops import Activation, LayerSpec, Shape
from proxyless.space.op import SKIP, Op


@dataclass(frozen=True)
class Layer:
    """A searched position: its shapes, and the operations that it chooses from.

    `SKIP` may be among `ops` only where the layer's output has the shape of its input.
    """

    in_shape: Shape
    out_shape: Shape
    stride: int
    ops: tuple[Op, ...]
    act: Activation = "relu6"

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.in_shape == self.out_shape

    def spec(self, op: Op) -> LayerSpec | None:
        """The layer that `op` makes here; None for the identity, which is no layer at all."""
        if op == SKIP:
            return None
        return LayerSpec(
            "mbconv", self.in_shape, self.out_shape, op.kernel, op.expand, self.stride, self.residual, self.act
        )


@dataclass(frozen=True)
class Space:
    """All networks: fixed layers before and after a chain of searched ones.

    args: the arguments that built it, enough to build it again.
    """

    name: str
    args: Mapping[str, Any]
    before: tuple[LayerSpec, ...]
    layers: tuple[Layer, ...]
    after: tuple[LayerSpec, ...]

    @property
    def resolution(self) -> int:
        return self.before[0].in_shape[0]

    @property
    def num_classes(self) -> int:
        return self.after[-1].out_shape[2]

    @property
    def fixed(self) -> tuple[LayerSpec, ...]:
        """The layers that every network has."""
        return self.before + self.after

    @property
    def size(self) -> int:
        """Number of networks."""
        return math.prod(len(layer.ops) for layer in self.layers)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when any network of the space would change; equal for equal spaces."""
        parts = {
            "before": [_plain(spec) for spec in self.before],
            "layers": [asdict(layer) for layer in self.layers],
            "after": [_plain(spec) for spec in self.after],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def specs(self) -> list[LayerSpec]:
        """Every distinct layer that some network of the space contains, in order of first use."""
        searched = [spec for layer in self.layers for op in layer.ops if (spec := layer.spec(op))]
        return list(dict.fromkeys([*self.before, *searched, *self.after]))

    def check(self, ops: Sequence[Op]) -> None:
        """Raise InputError unless `ops` is one legal operation per layer."""
        if len(ops) != len(self.layers):
            raise InputError(f"space {self.name!r} has {len(self.layers)} searched layers, got {len(ops)} operations")
        for index, (layer, op) in enumerate(zip(self.layers, ops, strict=True)):
            if op not in layer.ops:
                legal = ", ".join(choice.name for choice in layer.ops)
                raise InputError(
                    f"layer {index} of space {self.name!r} has no operation {op.name!r}; choose of {legal}"
                )

    def network(self, ops: Sequence[Op]) -> list[LayerSpec]:
        """The layers of the network that `ops` chooses, without the skipped ones."""
        self.check(ops)
        chosen = [spec for layer, op in zip(self.layers, ops, strict=True) if (spec := layer.spec(op))]
        return [*self.before, *chosen, *self.after]

    def path_ops(self, path: Sequence[int]) -> tuple[Op, ...]:
        """The operations that a path names: the index of one in each layer."""
        return tuple(layer.ops[index] for layer, index in zip(self.layers, path, strict=True))

    def ops_path(self, ops: Sequence[Op]) -> list[int]:
        """The index of the operation in each layer.

        Raises:
            InputError: `ops` is not one legal operation per layer.
        """
        self.check(ops)
        return [layer.ops.index(op) for layer, op in zip(self.layers, ops, strict=True)]

    def random_ops(self, rng: random.Random) -> tuple[Op, ...]:
        """Uniformly random operations."""
        return tuple(rng.choice(layer.ops) for layer in self.layers)


def _plain(spec: LayerSpec) -> dict[str, Any]:
    """Its fields; those that most layers do not use only where they are used, and `se` as older files have it."""
    fields = asdict(spec)
    groups = {"groups": spec.groups} if fields.pop("groups") > 1 else {}
    return {**fields, "se": spec.se or False, **groups}
