"""Spaces by name: a new space is one new file and one line in `SPACES`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from proxyless.errors import InputError, shown
from proxyless.plugins import find_with_plugins, with_plugins
from proxyless.space.declared import DEFINITION, declared_space, is_file, load_definition
from proxyless.space.fbnet import fbnet
from proxyless.space.mnasnet import mnasnet
from proxyless.space.mobile import mobile, mobile_fixed
from proxyless.space.mobilenetv3 import mobilenetv3
from proxyless.space.nasbench201 import nasbench201
from proxyless.space.space import Space
from proxyless.space.tiny import tiny, tiny_fixed

MAX_LISTED = 64
"""Values of an argument that is a list."""

SPACES: dict[str, Callable[..., Space]] = {
    "mobile": mobile,
    "mobile-fixed": mobile_fixed,
    "tiny": tiny,
    "tiny-fixed": tiny_fixed,
    "mobilenetv3": mobilenetv3,
    "fbnet": fbnet,
    "mnasnet": mnasnet,
    "nasbench201": nasbench201,
}


def known_spaces() -> dict[str, Callable[..., Space]]:
    """Ours, and those of other packages: functions like ours."""
    return with_plugins("space", SPACES)


def load_space(name: str, args: Mapping[str, Any] | None = None) -> Space:
    """As `build_space`, for what a user typed: the name may be that of a YAML file with a definition.

    Raises:
        InputError: also where the file is missing or not YAML.
    """
    if not is_file(name):
        return build_space(name, args)
    return build_space(name, {DEFINITION: load_definition(Path(name)), **(args or {})})


def build_space(name: str, args: Mapping[str, Any] | None = None) -> Space:
    """The space `name` with its arguments; those left out or None keep their defaults.

    A space whose arguments have its whole definition, as documents have those of users, is built from that. No file is
    read: a document cannot name one.

    Raises:
        InputError: unknown name or argument, or a value of the wrong kind.
    """
    given = {key: value for key, value in (args or {}).items() if value is not None}
    build = declared_space if DEFINITION in given else find_with_plugins("space", name, SPACES)
    for key, value in given.items():
        legal = inspect.signature(build).parameters
        if key not in legal:
            raise InputError(f"space {name!r} has no argument {shown(key)}; it has {', '.join(legal)}")
        if key != DEFINITION:
            _check_kind(name, key, value, legal[key])
    space: Space = build(**given)
    if DEFINITION in given and space.name in SPACES:
        raise InputError(f"{space.name!r} is the name of a space of proxyless; give your definition another")
    return space


def can_be_scaled(space: Space) -> bool:
    """Whether the space has a factor of its widths."""
    build = declared_space if DEFINITION in space.args else find_with_plugins("space", space.name, SPACES)
    return "width_mult" in inspect.signature(build).parameters


def check_registered(space: Space) -> None:
    """Raise InputError unless files that name the space and its arguments can be read again."""
    if build_space(space.name, space.args).fingerprint != space.fingerprint:
        raise InputError(
            f"space {space.name!r} is not what is registered under this name with its arguments: make it by "
            "`declared_space`, or announce it as an entry point of proxyless.spaces"
        )


def _check_kind(name: str, key: str, value: object, parameter: inspect.Parameter) -> None:
    """Against the annotation: numbers, or lists of them."""
    default, annotation = parameter.default, str(parameter.annotation)
    fractions = isinstance(default, float) or "float" in annotation
    kinds, wanted = ((int, float), "number") if fractions else ((int,), "whole number")
    listed = isinstance(value, list | tuple)
    items = value if isinstance(value, list | tuple) else [value]
    if listed and not 1 <= len(items) <= MAX_LISTED:
        raise InputError(f"argument {key!r} of space {name!r} must have 1 to {MAX_LISTED} values, got {len(items)}")
    may_list, must_list = "list" in annotation or isinstance(default, tuple), isinstance(default, tuple)
    if (listed and not may_list) or (must_list and not listed) or not all(type(item) in kinds for item in items):
        words = f"a list of {wanted}s" if must_list else f"a {wanted}" + " or a list of them" * may_list
        raise InputError(f"argument {key!r} of space {name!r} must be {words}, got {shown(value)}")
