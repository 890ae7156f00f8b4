"""What a file format is to the export, and the files that are written in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from export.dtypes import Dtype
from export.receiver.classify import Network
from proxyless.errors import InputError

Model = Callable[[np.ndarray], np.ndarray]
"""A loaded file: logits (N, classes) of normalised float32 images (N, 3, H, W)."""


@dataclass(frozen=True)
class Recipe:
    """A way to make a file of another dtype from the float32 one.

    make: reads the float32 file and writes the other; takes normalised calibration images, float32 (N, 3, H, W).
    float_layers: convolutions and linear layers that it leaves in float32.
    """

    name: str
    make: Callable[[Path, Path, np.ndarray], None]
    float_layers: int = 0


@dataclass(frozen=True)
class Structure:
    """What a file consists of.

    input_dtype: of the images that it takes. operators: how often each occurs. convolutions: without the depthwise
    ones. paddings, reshapes: operators that do nothing else. float_layers: convolutions and linear layers that compute
    in float. delegated: whether the runtime hands the whole network over to its fast kernels as one piece; None where
    it has no such notion.
    """

    input_dtype: Literal["float32", "int8"]
    operators: "Counter[str]"
    convolutions: int
    depthwise: int
    paddings: int
    reshapes: int
    float_layers: int
    delegated: bool | None = None


@dataclass(frozen=True)
class Receiver:
    """What runs a file for someone who has nothing but the export folder.

    package: to install with pip. load: opens a file on so many threads. Its source is copied into `classify.py` there:
    a function of its own name that uses nothing but numpy as `np`, `Path` and what it imports itself, its runtime.
    """

    package: str
    load: Callable[[Path, int], Network]


@dataclass(frozen=True, eq=False)
class Format:
    """A format that networks are exported to; there is one object of each.

    layout: of the images that its files expect. runtime: what executes them.
    unwanted: operators that should not be in a file: each would cost time that the network does not ask for.
    convert: writes a network in evaluation mode, with its resolution, to a path.
    structure: examines a file. load: opens it as it is deployed, on one thread.
    read_entries: the texts, by name, that a file says of itself. write_entries: puts others in their place.
    receiver: what runs it elsewhere.
    recipes: by dtype, how to make a file of it from the float32 one, the preferred recipe first.
    package: that converts.

    Raises (structure, load):
        CheckError: the file is not valid, or does not load.

    Raises (read_entries, write_entries):
        InputError: another kind of file, or a damaged one.
    """

    name: str
    suffix: str
    layout: Literal["NCHW", "NHWC"]
    runtime: str
    unwanted: tuple[str, ...]
    convert: Callable[[nn.Module, int, Path], None]
    structure: Callable[[Path], Structure]
    load: Callable[[Path], Model]
    read_entries: Callable[[Path], dict[str, str]]
    write_entries: Callable[[Path, Mapping[str, str]], None]
    receiver: Receiver
    recipes: Mapping[Dtype, Sequence[Recipe]]
    package: str = "torch"

    def describe(self, path: Path, entries: Mapping[str, str]) -> None:
        """Put entries into a file, in place of those of the same names; what it computes stays."""
        self.write_entries(path, {**self.read_entries(path), **entries})

    def require(self) -> None:
        """Raise InputError when the converter is not installed."""
        if find_spec(self.package.replace("-", "_")) is None:
            raise InputError(
                f"writing {self.name} needs the package {self.package}; "
                f"install it with: pip install 'proxyless[{self.name}]'"
            )


@dataclass(frozen=True)
class ModelFile:
    """A file of an export: a format, and the numbers that it computes with."""

    format: Format
    dtype: Dtype = "float32"

    @property
    def name(self) -> str:
        """Its key in reports, such as `onnx` or `onnx-int8`."""
        return self.format.name if self.dtype == "float32" else f"{self.format.name}-{self.dtype}"

    @property
    def file_name(self) -> str:
        kind = "" if self.dtype == "float32" else f".{self.dtype}"
        return f"model{kind}{self.format.suffix}"
