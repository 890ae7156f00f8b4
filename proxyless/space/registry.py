"""Spaces by name: a new space is one new file and one line in `SPACES`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from proxyless.errors import InputError, find_by_name, shown
from proxyless.plugins import announced
from proxyless.space.declared import DEFINITION, declared_space, is_file, load_definition
from proxyless.space.fbnet import fbnet
from proxyless.space.mobile import mobile
from proxyless.space.mobilenetv3 import mobilenetv3
from proxyless.space.space import Space
from proxyless.space.tiny import tiny

SPACES: dict[str, Callable[..., Space]] = {
    "mobile": mobile,
    "tiny": tiny,
    "mobilenetv3": mobilenetv3,
    "fbnet": fbnet,
}


def known_spaces() -> dict[str, Callable[..., Space]]:
    """Ours, and those that installed packages announce as entry points of `proxyless.spaces`: functions like ours."""
    return {**SPACES, **announced("space")}


def build_space(name: str, args: Mapping[str, Any] | None = None) -> Space:
    """The space `name` with its arguments; those left out or None keep their defaults.

    name: one of `known_spaces`, or a YAML file with a definition. A space whose arguments have its whole definition,
    as documents have those of users, is built from that.

    Raises:
        InputError: unknown name or argument, or a value of the wrong kind.
    """
    given = {key: value for key, value in (args or {}).items() if value is not None}
    if is_file(name):
        build: Callable[..., Space] = declared_space
        given = {DEFINITION: load_definition(Path(name)), **given}
    else:
        build = declared_space if DEFINITION in given else find_by_name("space", name, known_spaces())
    legal = inspect.signature(build).parameters
    for key, value in given.items():
        if key not in legal:
            raise InputError(f"space {name!r} has no argument {shown(key)}; it has {', '.join(legal)}")
        if key != DEFINITION and legal[key].default is not None:
            _check_kind(name, key, value, legal[key].default)
    return build(**given)


def check_registered(space: Space) -> None:
    """Raise InputError unless files that name the space and its arguments can be read again."""
    if build_space(space.name, space.args).fingerprint != space.fingerprint:
        raise InputError(
            f"space {space.name!r} is not what is registered under this name with its arguments: make it by "
            "`declared_space`, or announce it as an entry point of proxyless.spaces"
        )


def _check_kind(name: str, key: str, value: object, default: object) -> None:
    if isinstance(default, tuple):
        good = isinstance(value, list | tuple) and all(type(item) is int for item in value)
        wanted = "a list of whole numbers"
    elif isinstance(default, float):
        good, wanted = type(value) in (int, float), "a number"
    else:
        good, wanted = type(value) is int, "a whole number"
    if not good:
        raise InputError(f"argument {key!r} of space {name!r} must be {wanted}, got {shown(value)}")
