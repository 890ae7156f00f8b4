"""What a file format is to the export."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn


@dataclass(frozen=True)
class Format:
    """A format that networks are exported to.

    layout: of the images that the file expects. runtime: what executes it.
    unwanted: operators that should not be in a file: each would cost time that the network does not ask for.
    convert: writes a network in evaluation mode, with its resolution, to a path.
    operators: counts the operators of a file.
    run: logits (N, classes) of normalised float32 images (N, 3, H, W).
    """

    name: str
    file_name: str
    layout: str
    runtime: str
    unwanted: tuple[str, ...]
    convert: Callable[[nn.Module, int, Path], None]
    operators: Callable[[Path], "Counter[str]"]
    run: Callable[[Path, np.ndarray], np.ndarray]
