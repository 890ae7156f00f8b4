"""What is refused within a second: paths that are not there, before libraries are loaded that take many."""

from collections.abc import Sequence
from pathlib import Path

from proxyless.errors import InputError
from proxyless.files import home_path

_PATHS = ("imagefolder", "parquet")
"""Kinds of data whose argument is a path."""


def check_data(source: str | None) -> None:
    """Raise InputError for data in a folder that is not there."""
    kind, _, argument = (source or "").partition(":")
    if kind in _PATHS and argument and not home_path(argument).exists():
        found = "image folder not found" if kind == "imagefolder" else "parquet data not found"
        raise InputError(f"{found}: {argument}; check the path")


def check_there(what: str, paths: Sequence[Path]) -> None:
    """Raise InputError for a path that is not there. what: is expected."""
    for path in paths:
        if not path.exists():
            raise InputError(f"{what} not found: {path}; check the path")
