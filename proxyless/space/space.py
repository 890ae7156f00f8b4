"""A space: the declarative description of all networks that can be chosen."""

import hashlib
import json
import math
import random
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, Lowered, Shape, lower_layer

SKIP = "skip"
"""The operation that is no layer: its output is its input."""

Choices = tuple[tuple[str, LayerSpec | None], ...]


@dataclass(frozen=True)
class Layer:
    """A searched position: the operations that it chooses from by name, and the layer that each of them makes here.

    `SKIP`, which makes none, may be among them only where the output has the shape of the input.
    """

    in_shape: Shape
    out_shape: Shape
    choices: Choices

    @staticmethod
    def of(in_shape: Shape, out_shape: Shape, choices: Mapping[str, LayerSpec | None]) -> "Layer":
        """With choices in the order of the mapping.

        Raises:
            InputError: an operation that is of other shapes than the position, or the same as another.
        """
        names: dict[Lowered | None, str] = {}
        for name, spec in choices.items():
            shapes = (in_shape, in_shape) if spec is None else (spec.in_shape, spec.out_shape)
            lowered = lower_layer(spec) if spec else None
            if shapes != (in_shape, out_shape) or (lowered and lowered.shapes[-1] != out_shape):
                sizes = " to ".join("x".join(map(str, shape)) for shape in (in_shape, out_shape))
                raise InputError(f"operation {name!r} does not lead from {sizes}")
            if lowered in names:
                raise InputError(f"operations {names[lowered]!r} and {name!r} are the same; leave one out")
            names[lowered] = name
        return Layer(in_shape, out_shape, tuple(choices.items()))

    @cached_property
    def ops(self) -> tuple[str, ...]:
        """The names of the operations, in order."""
        return tuple(name for name, _ in self.choices)

    @cached_property
    def _specs(self) -> dict[str, LayerSpec | None]:
        return dict(self.choices)

    @property
    def stride(self) -> int:
        return max((spec.stride for _, spec in self.choices if spec), default=1)

    def spec(self, op: str) -> LayerSpec | None:
        """The layer that `op` makes here; None for the identity, which is no layer at all."""
        return self._specs[op]

    def keeping(self, ops: Container[str]) -> "Layer":
        """With these operations only."""
        return replace(self, choices=tuple(choice for choice in self.choices if choice[0] in ops))


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
            "before": [asdict(spec) for spec in self.before],
            "layers": [asdict(layer) for layer in self.layers],
            "after": [asdict(spec) for spec in self.after],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def specs(self) -> list[LayerSpec]:
        """Every distinct layer that some network of the space contains, in order of first use."""
        searched = [spec for layer in self.layers for op in layer.ops if (spec := layer.spec(op))]
        return list(dict.fromkeys([*self.before, *searched, *self.after]))

    def check(self, ops: Sequence[str]) -> None:
        """Raise InputError unless `ops` is one legal operation per layer."""
        if len(ops) != len(self.layers):
            raise InputError(f"space {self.name!r} has {len(self.layers)} searched layers, got {len(ops)} operations")
        for index, (layer, op) in enumerate(zip(self.layers, ops, strict=True)):
            if op not in layer.ops:
                legal = ", ".join(layer.ops)
                raise InputError(
                    f"layer {index} of space {self.name!r} has no operation {shown(op)}; choose of {legal}"
                )

    def network(self, ops: Sequence[str]) -> list[LayerSpec]:
        """The layers of the network that `ops` chooses, without the skipped ones."""
        self.check(ops)
        chosen = [spec for layer, op in zip(self.layers, ops, strict=True) if (spec := layer.spec(op))]
        return [*self.before, *chosen, *self.after]

    def path_ops(self, path: Sequence[int]) -> tuple[str, ...]:
        """The operations that a path names: the index of one in each layer."""
        return tuple(layer.ops[index] for layer, index in zip(self.layers, path, strict=True))

    def ops_path(self, ops: Sequence[str]) -> list[int]:
        """The index of the operation in each layer.

        Raises:
            InputError: `ops` is not one legal operation per layer.
        """
        self.check(ops)
        return [layer.ops.index(op) for layer, op in zip(self.layers, ops, strict=True)]

    def random_ops(self, rng: random.Random) -> tuple[str, ...]:
        """Uniformly random operations."""
        return tuple(rng.choice(layer.ops) for layer in self.layers)
