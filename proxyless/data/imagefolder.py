"""A folder of images, one sub-folder per class."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow

from proxyless.data.base import ImageData
from proxyless.data.decode import Source
from proxyless.data.folders import Scan, say_left_out, scan, sub_folders, uncovered
from proxyless.data.part import Part, load_parts
from proxyless.data.splits import TEST, TRAIN, named, say_test
from proxyless.errors import InputError
from proxyless.files import home_path

_Classes = dict[str, Scan]


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train/CLASS/*.jpg` with `PATH/test/CLASS/*.jpg` (or val, ...), or one of `PATH/train/CLASS/*.jpg`
    and `PATH/CLASS/*.jpg`, divided 80 to 20. Images may lie at any depth below their class.

    Raises:
        InputError: no such folder, no images, classes that differ between the parts, a damaged image.
    """
    if not argument:
        raise InputError("data 'imagefolder' needs a path, as in imagefolder:PATH")
    root = home_path(argument)
    if not root.is_dir():
        raise InputError(f"image folder not found: {root}; check the path")
    train_root = _train_root(root)
    train = _scan(train_root)
    classes = list(train)
    if len(classes) < 2:
        raise InputError(
            f"{train_root} has images of one class ({classes[0]!r}); a classifier needs at least 2 sub-folders"
        )
    test_root, test = _labelled_test(root, train_root, classes)
    _say_left_out(root, [path for path in (train_root, test_root) if path], [train, test or {}])
    source = f"imagefolder:{root.resolve()}"
    part = None if test is None else _part(test, classes)
    return load_parts(source, _part(train, classes), part, classes, resolution, limit)


def _train_root(root: Path) -> Path:
    """The folder of the training classes: `train` may also be the name of a class."""
    folders = {path.name: path for path in sub_folders(root)}
    for name in named(folders, TRAIN):
        if sub_folders(folders[name]):
            return folders[name]
    other = next((name for name in named(folders, TEST) if sub_folders(folders[name])), None)
    if other is not None:
        raise InputError(
            f"{root} has a folder {other!r} with classes, and none named 'train'; rename the one to train on"
        )
    return root


def _labelled_test(root: Path, train_root: Path, classes: Sequence[str]) -> tuple[Path | None, _Classes | None]:
    """The first test folder with classes of the training; those of competitions often have none.

    Raises:
        InputError: it has other classes too.
    """
    candidates = named((path.name for path in sub_folders(root)), TEST) if train_root != root else []
    for name in candidates:
        found = {folder.name: scan(folder) for folder in sub_folders(root / name)}
        found = {label: images for label, images in found.items() if images.images}
        if len(found) < 2 and not set(found) & set(classes):  # images alone, or one folder for all
            continue
        extra = sorted(set(found) - set(classes))
        if extra:
            raise InputError(f"class {extra[0]!r} is in {root / name} but not in {train_root}; make the folders agree")
        say_test(str(root), name, candidates)
        return root / name, found
    say_test(str(root), None, candidates)
    return None, None


def _say_left_out(root: Path, taken: Sequence[Path], parts: Sequence[_Classes]) -> None:
    left: Counter[tuple[Path, str]] = sum((scan.left_out for part in parts for scan in part.values()), Counter())
    for folder, classes in zip(taken, parts, strict=False):
        left += uncovered(folder, [folder / name for name in classes])
    if taken[0] != root:
        left += uncovered(root, taken)
    say_left_out(root, left)


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


def _scan(root: Path) -> _Classes:
    """The image files of every class, both in alphabetical order.

    Raises:
        InputError: no class, or one without images.
    """
    found = {folder.name: scan(folder) for folder in sub_folders(root)}
    if not any(part.images for part in found.values()):
        raise InputError(f"no images in {root}; expected one sub-folder per class with image files in it")
    empty = next((name for name, part in found.items() if not part.images), None)
    if empty is not None:
        others = ", ".join(f"{count} {suffix}" for (_, suffix), count in found[empty].left_out.items())
        raise InputError(
            f"the class folder {root / empty} has no images{f' but {others}' if others else ''}; add some, or remove "
            "the folder"
        )
    return found


def _part(found: _Classes, classes: Sequence[str]) -> Part:
    files = [file for part in found.values() for file in part.images]
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.repeat([numbers[name] for name in found], [len(part.images) for part in found.values()])
    return Part(_Files(files), np.arange(len(files)), labels.astype(np.int64))
