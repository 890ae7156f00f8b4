"""What a file format is to the export."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from torch import nn

from proxyless.errors import InputError


@dataclass(frozen=True)
class Format:
    """A format that networks are exported to.

    layout: of the images that the file expects. runtime: what executes it.
    unwanted: operators that should not be in a file: each would cost time that the network does not ask for.
    convert: writes a network in evaluation mode, with its resolution, to a path.
    operators: counts the operators of a file.
    run: logits (N, classes) of normalised float32 images (N, 3, H, W).
    package: that converts.
    """

    name: str
    file_name: str
    layout: str
    runtime: str
    unwanted: tuple[str, ...]
    convert: Callable[[nn.Module, int, Path], None]
    operators: Callable[[Path], "Counter[str]"]
    run: Callable[[Path, np.ndarray], np.ndarray]
    package: str = "torch"

    def require(self) -> None:
        """Raise InputError when the converter is not installed."""
        if find_spec(self.package.replace("-", "_")) is None:
            raise InputError(
                f"writing {self.name} needs the package {self.package}; "
                f"install it with: pip install 'proxyless[{self.name}]'"
            )
