"""What a search chooses, and the places of a network where these choices put a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from proxyless.ops import LayerSpec

SKIP = "skip"
"""The choice that is no layer: its output is its input."""

Kind = Literal["operation", "width", "depth", "resolution"]


@dataclass(frozen=True)
class Decision:
    """One thing to choose. choices: names; those of a width, a depth or a resolution are its numbers."""

    name: str
    choices: tuple[str, ...]
    kind: Kind = "operation"


@dataclass(frozen=True)
class Slot:
    """A place where a layer stands.

    scope: indices of the decisions that determine it, ascending. sizes: of each, the number of choices.
    specs: the layer of every combination of their choices, the last decision changing fastest; None for no layer at
        all: the output is the input.
    """

    scope: tuple[int, ...]
    sizes: tuple[int, ...]
    specs: tuple[LayerSpec | None, ...]

    def spec(self, path: Sequence[int]) -> LayerSpec | None:
        """The layer of a network, given as the index of the choice of every decision of the space."""
        index = 0
        for decision, size in zip(self.scope, self.sizes, strict=True):
            index = index * size + path[decision]
        return self.specs[index]

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        """A number for every distinct layer, of the shape of the choices."""
        numbers = {spec: number for number, spec in enumerate(dict.fromkeys(self.specs))}
        return np.reshape([numbers[spec] for spec in self.specs], self.sizes)

    def matters(self, decision: int, path: Sequence[int]) -> bool:
        """Whether another choice of a decision of the scope would change the layer of a network."""
        along = self._numbers[tuple(slice(None) if each == decision else path[each] for each in self.scope)]
        return bool((along != along[0]).any())

    def always_matters(self, decision: int) -> bool:
        """The same for every network."""
        first = self._numbers.take([0], self.scope.index(decision))
        return bool((self._numbers != first).any(self.scope.index(decision)).all())

    @cached_property
    def layers(self) -> tuple[LayerSpec, ...]:
        """The distinct layers that may stand here."""
        return tuple(spec for spec in dict.fromkeys(self.specs) if spec)

    @property
    def is_fixed(self) -> bool:
        """Whether every network has the same layer here."""
        return len(self.layers) == 1 and None not in self.specs

    def keeping(self, kept: Sequence[Sequence[int]]) -> "Slot":
        """With fewer choices. kept: of every decision of the space, the indices of those that stay."""
        mine = [kept[decision] for decision in self.scope]
        strides = [int(np.prod(self.sizes[place + 1 :])) for place in range(len(mine))]
        combinations = (sum(map(int.__mul__, strides, indices)) for indices in product(*mine))
        return Slot(self.scope, tuple(map(len, mine)), tuple(self.specs[index] for index in combinations))
