"""A folder of parquet files in the image schema of Hugging Face data sets."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from proxyless.data.arrow import MappedImages, mapped_copy
from proxyless.data.base import ImageData
from proxyless.data.decode import Source
from proxyless.data.folders import is_hidden, say_left_out
from proxyless.data.label_columns import Labels, read_labels
from proxyless.data.labels import number_classes
from proxyless.data.part import Part, load_parts
from proxyless.data.splits import TEST, TRAIN, named, say_test, split_of, split_of_file
from proxyless.errors import InputError
from proxyless.files import home_path

_ROWS_AT_A_TIME, _SHOWN = 512, 6
_BELOW = ("data",)
"""Folders in which data sets of the Hugging Face Hub keep their files."""


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train*.parquet` and `PATH/test*.parquet` (or val*, ...), or such folders; columns `image` and `label`.

    Without test files a fifth of each class of the training images is divided off. PATH may also be one file.

    Raises:
        InputError: files or columns are missing, differ in their labels, or an image is damaged.
    """
    if not argument:
        raise InputError("data 'parquet' needs a path, as in parquet:PATH")
    root = home_path(argument)
    files, train_name = _find(root)
    train = _labels(files[train_name])
    if not train.known:
        raise InputError(f"{files[train_name][0]} has no labels: its column 'label' is empty or missing; add them")
    test_name, test = _labelled_test(str(root), files, train)
    parts = [(train_name, train), *([(test_name, test)] if test_name and test else [])]
    numbers, classes = number_classes(str(root), [labels.values for _, labels in parts], train.names)
    made = [
        Part(_Rows(files[name], name), np.arange(len(labels)), labels)
        for (name, _), labels in zip(parts, numbers, strict=True)
    ]
    return load_parts(
        f"parquet:{root.resolve()}", made[0], made[1] if len(made) > 1 else None, classes, resolution, limit
    )


@dataclass(frozen=True)
class _Rows:
    """Images in parquet files, which are compressed and can only be read from the start to the end."""

    files: Sequence[Path]
    split: str

    def read(self, rows: np.ndarray) -> Iterator[Source]:
        start = 0
        for contents in chain.from_iterable(map(_image_batches, self.files)):
            first, last = np.searchsorted(rows, (start, start + len(contents)))
            yield from contents.take(pyarrow.array(rows[first:last] - start)).to_pylist()
            start += len(contents)

    def name(self, row: int) -> str:
        return f"image {row} of the {self.split} split"

    def indexed(self) -> MappedImages:
        copies = [mapped_copy(file, _size_bytes(file), _image_batches(file)) for file in self.files]
        return MappedImages(copies, self.name)


def _find(root: Path) -> tuple[dict[str, list[Path]], str]:
    """The files of every split, and which of the splits is for training.

    Raises:
        InputError: there is none for training.
    """
    if root.is_file():
        return {root.stem: [root]}, root.stem
    for folder in (root, *(root / name for name in _BELOW)):
        left: Counter[tuple[Path, str]] = Counter()
        splits: dict[str, list[Path]] = {}
        for file in _parquet_files(folder):
            split = split_of_file(file.stem) if file.parent == folder else split_of(file.parent.name)
            if split is None:
                left[file.parent, file.suffix] += 1
            else:
                splits.setdefault(split, []).append(file)
        train = named(splits, TRAIN)
        if train:
            for other in train[1:]:
                left.update((file.parent, file.suffix) for file in splits[other])
            say_left_out(root, left, " whose names are of no split")
            return splits, train[0]
    there = [str(file.relative_to(root)) for file in _parquet_files(root)][:_SHOWN]
    has = f"; it has {', '.join(there)}" if there else ""
    raise InputError(f"no train*.parquet in {root}{has}; expected train*.parquet and test*.parquet")


def _parquet_files(folder: Path) -> list[Path]:
    """In a folder and in those directly below, sorted."""
    found = chain(folder.glob("*"), folder.glob("*/*"))
    return sorted(
        file
        for file in found
        if file.suffix.lower() == ".parquet"
        and file.is_file()
        and not any(is_hidden(part) for part in file.relative_to(folder).parts)
    )


def _labelled_test(source: str, files: Mapping[str, list[Path]], train: Labels) -> tuple[str | None, Labels | None]:
    """The first test split with labels: those of competitions are often hidden."""
    candidates = named(files, TEST)
    for name in candidates:
        labels = _labels(files[name], like=train)
        if labels.known:
            say_test(source, name, candidates)
            return name, labels
    say_test(source, None, candidates)
    return None, None


def _labels(files: Sequence[Path], like: Labels | None = None) -> Labels:
    """Labels of all files, of the kind and with the class names of the first, or of those of `like`.

    Raises:
        InputError: columns of other types, other class names, no rows, or a row without a label.
    """
    parts: list[Labels] = []
    for file in files:
        with _readable(file):
            part = read_labels(file, like or (parts[0] if parts else None))
            parts.append(part)
    whole = parts[0].joined(parts[1:])
    if not len(whole.values):
        raise InputError(f"{files[0]} holds no images")
    return whole


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{file} cannot be read as parquet: {str(error).splitlines()[0]}") from None


def _image_batches(file: Path) -> Iterator[pyarrow.Array]:
    """The image bytes, in order, some rows at a time."""
    with _readable(file):
        contents = pyarrow.parquet.ParquetFile(file, memory_map=True)
        for batch in contents.iter_batches(_ROWS_AT_A_TIME, columns=["image.bytes"]):
            part = pyarrow.compute.struct_field(batch["image"], "bytes").cast(pyarrow.binary())
            if part.null_count:
                raise InputError(f"{file} has rows without image bytes; remove them")
            yield part


def _size_bytes(file: Path) -> int:
    """Size of the images, uncompressed."""
    metadata = pyarrow.parquet.read_metadata(file)
    columns = [
        metadata.row_group(group).column(i)
        for group in range(metadata.num_row_groups)
        for i in range(metadata.num_columns)
    ]
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema == "image.bytes")
