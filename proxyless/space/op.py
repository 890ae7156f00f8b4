"""A candidate operation of a searched layer."""

import re
from dataclasses import dataclass

from proxyless.errors import InputError, shown


@dataclass(frozen=True)
class Op:
    """A candidate for a searched layer: an inverted bottleneck `kKeE`, or `skip` (the identity).

    kernel: side of the depthwise kernel, 0 for skip.
    expand: width of the bottleneck over its input channels, 0 for skip.
    """

    kernel: int
    expand: int

    @property
    def is_skip(self) -> bool:
        return self.kernel == 0

    @property
    def name(self) -> str:
        return "skip" if self.is_skip else f"k{self.kernel}e{self.expand}"

    @staticmethod
    def parse(name: str) -> "Op":
        """Read `k3e6` or `skip`.

        Raises:
            InputError: any other text.
        """
        if name == "skip":
            return SKIP
        match = re.fullmatch(r"k([1-9]\d?)e([1-9]\d?)", name)
        if match is None:
            raise InputError(f"unknown operation {shown(name)}; expected 'skip' or kKeE such as 'k3e6'")
        return Op(int(match[1]), int(match[2]))


SKIP = Op(0, 0)
