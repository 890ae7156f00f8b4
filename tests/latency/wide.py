"""A space whose widths and resolutions are searched, as far as a profile looks at one: several hundred layers."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from proxyless.space import LayerSpec, Space, mobile

Member = tuple[int, ...]
"""Resolution, then the width of each stage."""


@dataclass(frozen=True)
class WideSpace:
    """The union of `mobile` spaces of all resolutions and all widths per stage.

    A network is a resolution, a width per stage and an operation per block, as text, in this order.
    """

    resolutions: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]
    num_classes: int = 10
    name: str = "wide"

    @property
    def args(self) -> Mapping[str, Any]:
        return {"resolutions": self.resolutions, "widths": self.widths, "num_classes": self.num_classes}

    @property
    def fingerprint(self) -> str:
        return str(self)

    @cached_property
    def _members(self) -> dict[Member, Space]:
        return {}

    def member(self, choice: Member) -> Space:
        if choice not in self._members:
            self._members[choice] = mobile(choice[0], self.num_classes, stage_widths=choice[1:])
        return self._members[choice]

    @property
    def _first(self) -> Space:
        return self.member((self.resolutions[0], *(widths[0] for widths in self.widths)))

    @cached_property
    def choices(self) -> list[list[str]]:
        """What each decision chooses from."""
        shapes = [self.resolutions, *self.widths]
        return [[str(value) for value in values] for values in shapes] + [list(x.ops) for x in self._first.layers]

    @property
    def size(self) -> int:
        return math.prod(map(len, self.choices))

    @property
    def fixed(self) -> tuple[LayerSpec, ...]:
        """The layers that all members have: the classifier, and with one resolution the stem."""
        alike = [set(self.member(choice).fixed) for choice in self._corners()]
        return tuple(spec for spec in self._first.fixed if all(spec in fixed for fixed in alike))

    def _corners(self) -> list[Member]:
        return [(resolution, *widths) for resolution in self.resolutions for widths in zip(*self.widths, strict=True)]

    def specs(self) -> list[LayerSpec]:
        """Layers depend on the resolution and the widths of two neighbouring stages: pairs of stages reach them all."""
        found: dict[LayerSpec, None] = {}
        for resolution in self.resolutions:
            for even, odd in itertools.product(range(len(self.widths[0])), repeat=2):
                widths = [stage[(even, odd)[index % 2]] for index, stage in enumerate(self.widths)]
                found |= dict.fromkeys(self.member((resolution, *widths)).specs())
        return list(found)

    def network(self, ops: Sequence[str]) -> list[LayerSpec]:
        shapes = 1 + len(self.widths)
        return self.member(tuple(map(int, ops[:shapes]))).network(ops[shapes:])

    def random_ops(self, rng: random.Random) -> tuple[str, ...]:
        return tuple(rng.choice(values) for values in self.choices)


WIDTHS = ((16, 24, 32), (32, 40, 48), (64, 80, 96), (72, 96, 120), (144, 192, 240), (240, 320, 400))
"""Three widths for each stage of `mobile`."""
