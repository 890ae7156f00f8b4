"""One scan of folders, for every command: which files are images, and what is left out."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageFile

from proxyless.errors import InputError, printable

_LOG = logging.getLogger(__name__)
_SHOWN = 6
"""Groups of files that a notice names."""

_NOT_PICTURES = ("EPS", "MPEG")
"""Formats that Pillow recognises, and needs another program to decode or cannot."""


@dataclass
class Scan:
    """Image files, sorted; and how many other files there are, by folder and suffix."""

    images: list[Path] = field(default_factory=list)
    left_out: Counter[tuple[Path, str]] = field(default_factory=Counter)


@cache
def image_suffixes() -> set[str]:
    """Of files that can be opened and decoded, in small letters."""
    Image.init()
    return {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NOT_PICTURES and not _is_stub(Image.OPEN[kind][0])
    }


def _is_stub(factory: object) -> bool:
    return isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)


def scan(root: Path) -> Scan:
    """Images at any depth. Linked folders are followed; hidden files, and those that macOS leaves, are passed over.

    Raises:
        InputError: a folder that cannot be read.
    """
    suffixes, found = image_suffixes(), Scan()
    for file in _files(root, frozenset()):
        suffix = file.suffix
        if not file.is_file():
            found.left_out[file.parent, f"{suffix or 'entry'} that is no file"] += 1
        elif suffix.lower() in suffixes:
            found.images.append(file)
        else:
            found.left_out[file.parent, suffix or "file without a suffix"] += 1
    found.images.sort()
    return found


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's own data."""
    return name.startswith(".") or name == "__MACOSX"


def sub_folders(root: Path) -> list[Path]:
    """In alphabetical order, without hidden ones."""
    return [Path(entry.path) for entry in _entries(root) if entry.is_dir()]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """In alphabetical order, without hidden ones.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read: {error.strerror}; check its permissions") from None


def _files(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Everything that is no folder. above: the folders around this one, so that a link to one of them ends here."""
    entries, state = _entries(folder), folder.stat()
    here = (state.st_dev, state.st_ino)
    if here in above:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files(Path(entry.path), above | {here})
        else:
            yield Path(entry.path)


def say_left_out(root: Path, left_out: Counter[tuple[Path, str]], reason: str = "") -> None:
    """One line on what is not taken, by suffix and folder, where there is anything."""
    if not left_out:
        return
    groups = [f"{count} {suffix} in {_below(folder, root)}" for (folder, suffix), count in left_out.most_common()]
    more = f", and in {len(groups) - _SHOWN} more places" if len(groups) > _SHOWN else ""
    total = left_out.total()
    files = "1 file" if total == 1 else f"{total} files"
    _LOG.info("%s", printable(f"{root}: left out {files}{reason}: {', '.join(groups[:_SHOWN])}{more}"))


def _below(folder: Path, root: Path) -> str:
    return str(folder.relative_to(root)) if folder != root and folder.is_relative_to(root) else str(folder.name)


def uncovered(root: Path, taken: Sequence[Path]) -> Counter[tuple[Path, str]]:
    """Files below `root` that are in none of the folders that were taken."""
    left: Counter[tuple[Path, str]] = Counter()
    for entry in _entries(root):
        path = Path(entry.path)
        if path in taken:
            continue
        files = _files(path, frozenset()) if path.is_dir() else [path]
        left.update((file.parent, file.suffix or "file without a suffix") for file in files)
    return left
