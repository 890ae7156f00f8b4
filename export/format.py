"""What a file format is to the export, and the files that are written in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from export.dtypes import Dtype
from export.receiver.classify import Network
from proxyless.extras import require

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


@dataclass(frozen=True)
class Tools:
    """What works on the files of a format.

    convert: writes a network in evaluation mode, with its resolution, to a path.
    structure: examines a file. load: opens it as it is deployed, on one thread.
    recipes: by dtype, how to make a file of it from the float32 one, the preferred recipe first.

    Raises (structure, load):
        CheckError: the file is not valid, or does not load.
    """

    convert: Callable[[nn.Module, int, Path], None]
    structure: Callable[[Path], Structure]
    load: Callable[[Path], Model]
    recipes: Mapping[Dtype, Sequence[Recipe]]


@dataclass(frozen=True, eq=False)
class Format:
    """A format that networks are exported to; there is one object of each.

    layout: of the images that its files expect. runtime: what executes them.
    unwanted: operators that should not be in a file: each would cost time that the network does not ask for.
    dtypes: beside float32, those that there are recipes for.
    load_tools: returns its tools; called late, so that only the libraries of the chosen formats are imported.
    read_entries: the texts, by name, that a file says of itself. write_entries: puts others in their place. Both import
    what they need when they are called, and raise InputError for another kind of file, a damaged one, or a package that
    is missing.
    receiver: what runs it elsewhere.
    packages: libraries of the tools. extra: of this project, that installs them.
    """

    name: str
    suffix: str
    layout: Literal["NCHW", "NHWC"]
    runtime: str
    unwanted: tuple[str, ...]
    dtypes: tuple[Dtype, ...]
    load_tools: Callable[[], Tools]
    read_entries: Callable[[Path], dict[str, str]]
    write_entries: Callable[[Path, Mapping[str, str]], None]
    receiver: Receiver
    packages: tuple[str, ...]
    extra: str

    @property
    def tools(self) -> Tools:
        return self.load_tools()

    def describe(self, path: Path, entries: Mapping[str, str]) -> None:
        """Put entries into a file, in place of those of the same names; what it computes stays."""
        self.write_entries(path, {**self.read_entries(path), **entries})

    def require(self) -> None:
        """Raise InputError unless all that writes and checks its files is installed."""
        require(f"writing {self.name}", self.extra, self.packages)


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
