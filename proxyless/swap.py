"""Put a new folder in the place of an old one: whoever looks, at any moment, finds one of both, whole."""

import ctypes
import os
import shutil
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def put_in_place(new: Path, folder: Path) -> None:
    """Rename `new`, which lies beside `folder`, to it; what was there before is gone afterwards.

    Linux exchanges both in one step. Elsewhere there is a moment without either, and a program that is killed in it
    leaves the earlier folder under another name: `recover` brings it back.
    """
    if not folder.exists():
        new.replace(folder)
    elif _exchange(new, folder):
        shutil.rmtree(new)
    else:
        earlier = _aside(folder)
        folder.replace(earlier)
        try:
            new.replace(folder)
        except OSError:
            earlier.replace(folder)
            raise
        shutil.rmtree(earlier)


def recover(folder: Path) -> None:
    """Undo, or finish, what a `put_in_place` that was killed has left half done."""
    earlier = _aside(folder)
    if not earlier.is_dir() or earlier.is_symlink():
        return
    if folder.exists():
        shutil.rmtree(earlier)
    else:
        earlier.replace(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.proxyless-earlier")


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step; False where the system, or the file system, cannot."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # no such function: another system, or an old library
        return False
    result: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return result == 0
