"""What a runtime is to the profiler."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latency.settings import ProfileSettings
from latency.writers.graph import Graph
from proxyless.errors import InputError
from proxyless.extras import missing, require
from proxyless.space import Target

Write = Callable[[Graph, Path], None]
Quantize = Callable[[Path, Path, np.ndarray], None]
"""Makes an int8 file of a float32 one; calibrated on images, float32 (N, C, H, W)."""

RUNNERS = Path(__file__).parent.parent / "runners"


@dataclass(frozen=True)
class Runtime:
    """A library that executes models.

    suffix: of its model files. delegates: the ways in which it can execute, the default first; part of
    a target's identity, since the same model may take several times longer under another.
    writer: returns the function that writes a graph as a model file; called late, so that only the
    libraries of the chosen runtime are imported.
    runner: the file that loads such a model on the device.
    package: what the runner imports. extra: of this project, that installs all of the runtime's packages; None means
    that of the runtime's name.
    quantizer: returns the function that makes an int8 model file, where the runtime executes such; called late too.
    writes_with, quantizes_with: packages that the writer and the quantizer import here, wherever the device is.
    max_batch: the largest batch that it can execute, if there is a limit.
    loads_any: whether the runner has `load_any`, for models of other makers: several inputs, open dimensions.
    """

    name: str
    suffix: str
    delegates: tuple[str, ...]
    writer: Callable[[], Write]
    runner: Path
    package: str
    quantizer: Callable[[], Quantize] | None = None
    writes_with: tuple[str, ...] = ()
    quantizes_with: tuple[str, ...] = ()
    extra: str | None = None
    max_batch: int | None = None
    loads_any: bool = False

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The numbers in which it can compute, the default first."""
        return ("float32", "int8") if self.quantizer else ("float32",)

    def writer_of(self, dtype: str) -> Write:
        """The function that writes a graph as a model file that computes with numbers of a dtype.

        Raises:
            InputError: it cannot compute with such numbers.
        """
        self.check_dtype(dtype)
        write = self.writer()
        if dtype == "float32" or self.quantizer is None:
            return write
        quantize = self.quantizer()

        def write_int8(graph: Graph, path: Path) -> None:
            real = path.with_name(f"float32-{path.name}")
            write(graph, real)
            quantize(real, path, graph.random_images())
            real.unlink()

        return write_int8

    @property
    def installed(self) -> bool:
        """Whether this Python can execute models with it."""
        return not missing([self.package])

    def require(self) -> None:
        """Raise InputError when this Python cannot execute models with it."""
        self._require((self.package,))

    def _require(self, packages: tuple[str, ...]) -> None:
        require(f"the runtime {self.name!r}", self.extra or self.name, packages)

    def check_batch(self, batch: int) -> None:
        """Raise InputError when it cannot execute so many images at a time."""
        if self.max_batch is not None and batch > self.max_batch:
            limit = "one image" if self.max_batch == 1 else f"at most {self.max_batch} images"
            raise InputError(
                f"the runtime {self.name!r} takes {limit} at a time, got a batch of {batch}; "
                f"use --batch {self.max_batch}"
            )

    def check_dtype(self, dtype: str) -> None:
        """Raise InputError when it cannot compute with such numbers."""
        if dtype not in self.dtypes:
            raise InputError(f"runtime {self.name!r} has no dtype {dtype!r}; choose of {', '.join(self.dtypes)}")

    def target_of(self, settings: ProfileSettings) -> Target:
        """What the settings ask for, with the delegate that they leave open.

        Raises:
            InputError: a dtype or delegate that it does not have.
        """
        self.check_dtype(settings.dtype)
        how = settings.model_dump(include={"runtime", "device", "threads", "batch", "dtype"})
        return Target(**how, delegate=self.check_delegate(settings.delegate))

    def check_target(self, target: Target, *, here: bool) -> None:
        """Check, before anything is measured, that it can be profiled so.

        here: the models run in this Python, rather than on another device.

        Raises:
            InputError: a package that is missing here, or a batch, dtype or delegate that it does not have.
        """
        self.check_batch(target.batch)
        self.check_dtype(target.dtype)
        self.check_delegate(target.delegate)
        quantizes_with = self.quantizes_with if target.dtype == "int8" else ()
        self._require((*((self.package,) if here else ()), *self.writes_with, *quantizes_with))

    def check_delegate(self, delegate: str | None) -> str:
        """The delegate to use; None means the default.

        Raises:
            InputError: this runtime has no such delegate.
        """
        if delegate is None:
            return self.delegates[0]
        if delegate not in self.delegates:
            raise InputError(
                f"runtime {self.name!r} has no delegate {delegate!r}; choose of {', '.join(self.delegates)}"
            )
        return delegate
