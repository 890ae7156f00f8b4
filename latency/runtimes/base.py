"""What a runtime is to the profiler."""

from collections.abc import Callable
from dataclasses import dataclass
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
    """

    name: str
    suffix: str
    delegates: tuple[str, ...]
    writer: Callable[[], Callable[[Graph, Path], None]]
    runner: Path

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
