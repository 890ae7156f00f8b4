"""What a runtime is to the profiler."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from latency.writers.graph import Graph
from proxyless.errors import InputError

RUNNERS = Path(__file__).parent.parent / "runners"


@dataclass(frozen=True)
class Runtime:
    """A library that executes models.

    suffix: of its model files. delegates: the ways in which it can execute, the default first; part of
    a target's identity, since the same model may take several times longer under another.
    writer: returns the function that writes a graph as a model file; called late, so that only the
    libraries of the chosen runtime are imported.
    runner: the file that loads such a model on the device.
    package: what the runner imports. A package that is not among this project's dependencies is installed
    by the extra with the runtime's name.
    writes_with_package: whether the writer needs that package too.
    max_batch: the largest batch that it can execute, if there is a limit.
    """

    name: str
    suffix: str
    delegates: tuple[str, ...]
    writer: Callable[[], Callable[[Graph, Path], None]]
    runner: Path
    package: str
    writes_with_package: bool = False
    max_batch: int | None = None

    @property
    def installed(self) -> bool:
        """Whether this Python can execute models with it."""
        return find_spec(self.package) is not None

    def require(self) -> None:
        """Raise InputError when this Python cannot execute models with it."""
        if not self.installed:
            raise InputError(
                f"the runtime {self.name!r} needs the package {self.package}, which is not installed here; "
                f'install it with: pip install "proxyless[{self.name}]"'
            )

    def check_batch(self, batch: int) -> None:
        """Raise InputError when it cannot execute so many images at a time."""
        if self.max_batch is not None and batch > self.max_batch:
            limit = "one image" if self.max_batch == 1 else f"at most {self.max_batch} images"
            raise InputError(
                f"the runtime {self.name!r} takes {limit} at a time, got a batch of {batch}; "
                f"use --batch {self.max_batch}"
            )

    def check_target(self, delegate: str | None, batch: int, *, here: bool) -> str:
        """Check, before anything is measured, that it can be profiled so; returns the delegate to use.

        here: the models run in this Python, rather than on another device.

        Raises:
            InputError: a package that is missing here, or a batch or delegate that it does not have.
        """
        self.check_batch(batch)
        delegate = self.check_delegate(delegate)
        if here or self.writes_with_package:
            self.require()
        return delegate

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
