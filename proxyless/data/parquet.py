"""A folder of parquet files in the image schema of Hugging Face data sets."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from proxyless.data.arrow import MappedImages, mapped_copy
from proxyless.data.base import ImageData
from proxyless.data.decode import Source
from proxyless.data.part import Part, load_parts, number_classes
from proxyless.errors import InputError

_ROWS_AT_A_TIME = 512


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train*.parquet` and `PATH/test*.parquet` (or validation*), columns `image` and `label`.

    Raises:
        InputError: files or columns are missing, or an image is damaged.
    """
    if not argument:
        raise InputError("data 'parquet' needs a path, as in parquet:PATH")
    root = Path(argument).expanduser()
    train_files, test_files = _find(root, ("train",)), _find(root, ("test", "validation"))
    values = [_read_labels(files) for files in (train_files, test_files)]
    (train_labels, test_labels), classes = number_classes(str(root), values, _class_names(train_files[0]))
    train = Part(_Rows(train_files, "train"), np.arange(len(train_labels)), train_labels)
    test = Part(_Rows(test_files, "test"), np.arange(len(test_labels)), test_labels)
    return load_parts(f"parquet:{root.resolve()}", train, test, classes, resolution, limit)


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


def _find(root: Path, names: tuple[str, ...]) -> list[Path]:
    found = (sorted(root.glob(f"{name}*.parquet")) for name in names)
    files = next((group for group in found if group), None)
    if files is None:
        raise InputError(f"no {names[0]}*.parquet in {root}; expected train*.parquet and test*.parquet")
    return files


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


def _read_labels(files: list[Path]) -> np.ndarray:
    parts = []
    for file in files:
        with _readable(file):
            _check_schema(pyarrow.parquet.read_schema(file), file)
            parts.append(pyarrow.parquet.read_table(file, columns=["label"])["label"])
    if any(part.null_count for part in parts):
        raise InputError(f"{files[0].parent} has rows without label; remove them")
    labels = np.concatenate([part.to_numpy() for part in parts])
    if len(labels) == 0:
        raise InputError(f"{files[0]} holds no images")
    return labels


def _check_schema(schema: pyarrow.Schema, file: Path) -> None:
    fields = {field.name: field.type for field in schema}
    image, label = fields.get("image"), fields.get("label")
    has_bytes = image is not None and pyarrow.types.is_struct(image) and image.get_field_index("bytes") >= 0
    is_class = label is not None and (pyarrow.types.is_integer(label) or pyarrow.types.is_string(label))
    if not (has_bytes and is_class):
        raise InputError(
            f"{file} has the columns {fields}; expected image (a struct with bytes) and label (integer or text)"
        )


def _class_names(file: Path) -> list[str] | None:
    metadata = (pyarrow.parquet.read_schema(file).metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        names: Any = json.loads(metadata)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names]
