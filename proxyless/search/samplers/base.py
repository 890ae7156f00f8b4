"""What a black-box optimiser of architectures is: a function from what was evaluated to what to evaluate next."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from proxyless.search.strategies.settings import SamplingSettings

Path = tuple[int, ...]
"""The index of the operation in each layer."""

_RETRIES = 50
_DEFAULT = SamplingSettings()


@dataclass(frozen=True)
class Trial:
    """One evaluated network. score: higher is better."""

    path: Path
    score: float


class Domain(Protocol):
    """What may be proposed: only networks that keep every bound."""

    @property
    def sizes(self) -> Sequence[int]:
        """Number of choices per position."""

    def random(self, rng: np.random.Generator) -> Path:
        """A random network that fits."""

    def mutate(self, path: Path, rng: np.random.Generator) -> Path:
        """A neighbour of `path` that fits; not `path` itself where there is another."""


class Sampler(ABC):
    """Stateless: a proposal depends on the trials and the generator alone, so that a search that was killed goes on
    from its list of trials exactly as it would have."""

    def __init__(self, domain: Domain, settings: SamplingSettings = _DEFAULT) -> None:
        """settings: of its strategy; a sampler with some of its own has a subclass of them."""
        self.domain, self.settings = domain, settings

    @abstractmethod
    def propose(self, trials: Sequence[Trial], rng: np.random.Generator) -> Path:
        """The network to evaluate next. trials: in the order of their evaluation."""


def unseen(draw: Callable[[], Path], trials: Sequence[Trial]) -> Path:
    """The first of some draws that was not evaluated, else the last: a small domain may hold nothing new."""
    seen = {trial.path for trial in trials}
    for _ in range(_RETRIES):
        path = draw()
        if path not in seen:
            break
    return path
