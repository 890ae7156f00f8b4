"""What to search for."""

from dataclasses import dataclass
from functools import cached_property

from proxyless.data import ImageData
from proxyless.errors import InputError
from proxyless.search.derive import feasible_path
from proxyless.space import Space
from proxyless.space.bounds import Bound
from proxyless.space.declared import DEFINITION


@dataclass(frozen=True)
class Problem:
    """The most accurate network of `space` on `data` that keeps all bounds.

    Raises:
        InputError: on construction, when no network can keep them, or the data are not of this space.
    """

    space: Space
    data: ImageData
    bounds: tuple[Bound, ...]

    def __post_init__(self) -> None:
        check_classes(self.space, self.data)
        _ = self.feasible_path

    @cached_property
    def feasible_path(self) -> tuple[int, ...]:
        """A network that keeps all bounds."""
        return tuple(feasible_path(self.bounds))


def check_classes(space: Space, data: ImageData) -> None:
    """Raise InputError unless the networks of the space have one output per class."""
    if space.num_classes != len(data.classes):
        name = "FILE.yaml" if DEFINITION in space.args else space.name
        raise InputError(
            f"{data.source} has {len(data.classes)} classes, but the networks are made for {space.num_classes}; "
            f"make a table with 'proxyless profile --space {name} --num-classes {len(data.classes)} ...' for it"
        )
