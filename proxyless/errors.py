"""The two ways in which a command fails on purpose, and what most often causes the first: a name that is unknown."""

from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """What the user gave cannot be used: the command line prints the message and exits with 2.

    The message is one sentence that says what was wrong, the value seen and what to do.
    """


class CheckError(RuntimeError):
    """A promise did not hold (a verification, a measurement): the command exits with 1."""


def check_name(kind: str, name: str, known: Collection[str]) -> None:
    """Raise InputError, with the choices, unless the name is known. kind: what it names, such as `runtime`."""
    if name not in known:
        raise InputError(f"unknown {kind} {name!r}; choose of {', '.join(known)}")


def find_by_name(kind: str, name: str, known: Mapping[str, T]) -> T:
    """What has that name.

    Raises:
        InputError: nothing has.
    """
    check_name(kind, name, known)
    return known[name]
