"""Packages that only some of the work needs, each brought by an extra of this project."""

from collections.abc import Sequence
from importlib.util import find_spec

from proxyless.errors import InputError


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages, named as they are imported, that this Python does not have."""
    return [package for package in dict.fromkeys(packages) if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what a package of a dotted name is in
        return False


def require(what: str, extra: str, packages: Sequence[str]) -> None:
    """Refuse work whose packages are not all installed. what: the work, as the sentence begins.

    Raises:
        InputError: which of them are missing, and the extra that brings them.
    """
    lacking = missing(packages)
    if lacking:
        noun, verb, them = ("package", "is", "it") if len(lacking) == 1 else ("packages", "are", "them")
        raise InputError(
            f"{what} needs the {noun} {', '.join(lacking)}, which {verb} not installed here; "
            f'install {them} with: pip install "proxyless[{extra}]"'
        )
