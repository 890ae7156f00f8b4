"""A folder of images, one sub-folder per class."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image

from proxyless.data.base import ImageData
from proxyless.data.decode import Source
from proxyless.data.part import Part, load_parts
from proxyless.errors import InputError

_TEST_NAMES = ("test", "val", "validation", "valid")


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train/CLASS/*.jpg` with `PATH/test/CLASS/*.jpg` (or val), or one of `PATH/train/CLASS/*.jpg`
    and `PATH/CLASS/*.jpg`, divided 80 to 20.

    Raises:
        InputError: no such folder, no images, classes that differ between the parts, a damaged image.
    """
    if not argument:
        raise InputError("data 'imagefolder' needs a path, as in imagefolder:PATH")
    root = Path(argument).expanduser()
    if not root.is_dir():
        raise InputError(f"image folder not found: {root}; check the path")
    train_root = root / "train"
    if not any(path.is_dir() for path in train_root.glob("*")):  # "train" may also be a class
        return _load(root, root, None, resolution, limit)
    test_root = next((root / name for name in _TEST_NAMES if (root / name).is_dir()), None)
    return _load(root, train_root, test_root, resolution, limit)


class _Files:
    """Image files; their paths are kept in one block of memory, which worker processes share."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._paths = pyarrow.array([os.fsencode(file) for file in files], pyarrow.binary())

    def read(self, rows: np.ndarray) -> Iterator[Source]:
        return (self._path(row) for row in rows)

    def name(self, row: int) -> str:
        return str(self._path(row))

    def indexed(self) -> "_Files":
        return self

    def _path(self, row: int) -> Path:
        return Path(os.fsdecode(self._paths[int(row)].as_py()))


def _load(root: Path, train_root: Path, test_root: Path | None, resolution: int, limit: int | None) -> ImageData:
    train_files = _scan(train_root)
    classes = list(train_files)
    if len(classes) < 2:
        raise InputError(
            f"{train_root} has images of one class ({classes[0]!r}); a classifier needs at least 2 sub-folders"
        )
    test = None
    if test_root is not None:
        test_files = _scan(test_root)
        extra = sorted(set(test_files) - set(classes))
        if extra:
            raise InputError(f"class {extra[0]!r} is in {test_root} but not in {train_root}; make the folders agree")
        test = _part(test_files, classes)
    return load_parts(f"imagefolder:{root.resolve()}", _part(train_files, classes), test, classes, resolution, limit)


def _scan(root: Path) -> dict[str, list[Path]]:
    """The image files of every class, both in alphabetical order."""
    suffixes = Image.registered_extensions()
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    found = {
        folder.name: sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes) for folder in folders
    }
    if not any(found.values()):
        raise InputError(f"no images in {root}; expected one sub-folder per class with image files in it")
    empty = next((name for name, files in found.items() if not files), None)
    if empty is not None:
        raise InputError(f"the class folder {root / empty} has no images; add some, or remove the folder")
    return found


def _part(found: dict[str, list[Path]], classes: list[str]) -> Part:
    files = [file for name in found for file in found[name]]
    labels = np.repeat([classes.index(name) for name in found], [len(found[name]) for name in found])
    return Part(_Files(files), np.arange(len(files)), labels.astype(np.int64))
