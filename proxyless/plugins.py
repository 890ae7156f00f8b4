"""What other installed packages add, announced by their entry points."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from proxyless.errors import InputError, check_name, one_line

T = TypeVar("T")


def find_with_plugins(kind: str, name: str, own: Mapping[str, T]) -> T:
    """What has that name: one of our own, else of another package, which is imported only then.

    Packages announce theirs as entry points of the group `proxyless.<kind>s`, such as `proxyless.spaces`.

    Raises:
        InputError: nothing has that name, or it cannot be imported.
    """
    if name in own:
        return own[name]
    points = _points(kind)
    check_name(kind, name, [*own, *points])
    return _load(kind, points[name])


def with_plugins(kind: str, own: Mapping[str, T]) -> dict[str, T]:
    """All by name, our own before those of other packages.

    Raises:
        InputError: one cannot be imported.
    """
    return {**{name: _load(kind, point) for name, point in _points(kind).items()}, **own}


def _points(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"proxyless.{kind}s")}


def _load(kind: str, point: EntryPoint) -> T:  # type: ignore[type-var]
    try:
        found: T = point.load()
    except Exception as error:  # whatever another package does when it is imported
        reason = one_line(str(error)) or type(error).__name__
        raise InputError(
            f"the {kind} {point.name!r} of another package ({point.value}) cannot be imported: {reason}; repair or "
            "remove that package"
        ) from None
    return found
