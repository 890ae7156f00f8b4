"""What the architecture minimises: the classification loss together with what the network costs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from proxyless.space.bounds import Bound


class Objective(ABC):
    """Built with the bounds and the strength of the penalty, None for its own default.

    Costs enter as ratios `E/T` of the expected cost to its limit: the unit does not matter.

    Raises:
        InputError: on construction, when the loss is not defined for these bounds, or the strength is not legal.
    """

    allowances_are_used: bool
    """Whether a derived network should use what its bounds allow: not where a penalty says how cheap it should be."""

    def __init__(self, bounds: Sequence[Bound], penalty: float | None = None) -> None:
        self.bounds = tuple(bounds)

    @abstractmethod
    def total(self, loss: Tensor, ratios: Tensor) -> Tensor:
        """The scalar to minimise, on the device of both: differentiable in `loss` and in `ratios` (bounds,)."""

    def update(self, ratios: Sequence[float], logit_speed: float) -> None:  # noqa: B027 - most have nothing to learn
        """Called before every architecture step, with the ratios that it starts from and how far a logit
        moves in a step at most, on average."""

    @property
    @abstractmethod
    def strengths(self) -> list[float]:
        """How hard every bound pushes, for the log."""

    def state_dict(self) -> dict[str, list[float]]:
        """What a resumed search needs."""
        return {}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:  # noqa: B027
        """Take up a saved state."""
