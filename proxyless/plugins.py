"""What other installed packages add, announced by their entry points."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from proxyless.errors import InputError, check_name, one_line

T = TypeVar("T")


def find_with_plugins(kind: str, name: str, own: Mapping[str, T]) -> T:
    """What has that name: one of our own, else of another package, which is imported only then.

    Packages announce theirs as entry points of the group of its plural, such as `proxyless.spaces`.

    Raises:
        InputError: nothing has that name, or it cannot be imported.
    """
    if name in own:
        return own[name]
    check_name(kind, name, names_with_plugins(kind, own))
    return _load(kind, _points(kind)[name])


def with_plugins(kind: str, own: Mapping[str, T]) -> dict[str, T]:
    """All by name, our own before those of other packages.

    Raises:
        InputError: one cannot be imported.
    """
    return {**own, **{name: _load(kind, point) for name, point in _points(kind).items() if name not in own}}


def names_with_plugins(kind: str, own: Iterable[str]) -> list[str]:
    """The names of all, our own first; nothing is imported."""
    return list(dict.fromkeys([*own, *_points(kind)]))


def _points(kind: str) -> dict[str, EntryPoint]:
    plural = f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"
    return {point.name: point for point in entry_points(group=f"proxyless.{plural}")}


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
