"""Data sets of the Hugging Face Hub, or local folders in its layout, through the `datasets` library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proxyless.data.base import ImageData
from proxyless.data.decode import Source
from proxyless.data.label_columns import kind_of, renumbered
from proxyless.data.labels import number_classes, renumbering
from proxyless.data.part import Part, load_parts
from proxyless.data.splits import TEST, TRAIN, named, say_test
from proxyless.errors import InputError, one_line
from proxyless.extras import require
from proxyless.files import home_path

_ROWS_AT_A_TIME = 256

Splits = dict[str, Any]
"""A `datasets.Dataset` for every name."""


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`NAME`, `NAME:CONFIG` or `NAME:CONFIG:LABEL`: a data set, its configuration, its column of labels.

    The first of test, val, valid, validation and dev that has labels is the test split; without one, a fifth of train.

    Raises:
        InputError: the library is missing, the data set cannot be loaded, it has no or several columns of
            images or labels, or an image is damaged.
    """
    name, config, label = (*argument.split(":", 2), "", "")[:3]
    if not name:
        raise InputError("data 'hf' needs the name of a data set, as in hf:uoft-cs/cifar10 or hf:./folder")
    folder = home_path(name)
    name = str(folder.resolve()) if folder.is_dir() else name
    source = "hf:" + f"{name}:{config}:{label}".rstrip(":")
    splits = _load_splits(name, config or None)
    train = next(iter(named(splits, TRAIN)), None)
    if train is None:
        raise InputError(f"{source} has the splits {', '.join(splits)}, and none named train; choose other data")
    image_column, label_column = _image_column(source, splits[train]), _label_column(source, splits[train], label)
    _check_type(source, splits[train], label_column)
    chosen = {train: splits[train], **_labelled_test(source, splits, label_column)}
    names = getattr(splits[train].features[label_column], "names", None)
    values = [_labels(source, split, label_column, names) for split in chosen.values()]
    numbers, classes = number_classes(source, values, names)
    parts = [
        Part(_Rows(_undecoded(chosen[split], image_column), image_column, split), np.arange(len(labels)), labels)
        for split, labels in zip(chosen, numbers, strict=True)
    ]
    return load_parts(source, parts[0], parts[1] if len(parts) == 2 else None, classes, resolution, limit)


@dataclass(frozen=True)
class _Rows:
    """Images of a `datasets.Dataset`, which is mapped into memory; some are files beside it."""

    dataset: Any
    column: str
    split: str

    def read(self, rows: np.ndarray) -> Iterator[Source]:
        for start in range(0, len(rows), _ROWS_AT_A_TIME):
            some = rows[start : start + _ROWS_AT_A_TIME]
            for row, image in zip(some, self.dataset[some.tolist()][self.column], strict=True):
                if image is None:
                    raise InputError(f"{self.name(row)} is missing; remove the row")
                yield image["bytes"] if image["bytes"] is not None else Path(image["path"])

    def name(self, row: int) -> str:
        return f"image {row} of the {self.split} split"

    def indexed(self) -> "_Rows":
        return self


def _load_splits(name: str, config: str | None) -> Splits:
    require("data 'hf'", "hf", ["datasets"])
    import datasets

    try:
        return dict(datasets.load_dataset(name, config))
    except RuntimeError as error:
        raise InputError(
            f"the data set {name!r} cannot be loaded ({one_line(str(error))}); choose one of image or parquet files, "
            "which brings no code"
        ) from None
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the data set {name!r} cannot be loaded ({reason}); check its name and the network") from None


def _image_column(source: str, split: Any) -> str:
    from datasets import Image

    found = [str(column) for column, kind in split.features.items() if isinstance(kind, Image)]
    if len(found) > 1 and "image" in found:
        found = ["image"]
    if len(found) != 1:
        shown = ", ".join(found) or f"none among {', '.join(split.features)}"
        raise InputError(f"{source} must have one column of images, or one named image; it has {shown}")
    return found[0]


def _undecoded(split: Any, column: str) -> Any:
    from datasets import Image

    return split.select_columns([column]).cast_column(column, Image(decode=False))


def _label_column(source: str, split: Any, wanted: str) -> str:
    """The column that was asked for, or the only one of classes, or `label`."""
    from datasets import ClassLabel

    if wanted and wanted not in split.features:
        raise InputError(f"{source} has no column {wanted!r}; it has {', '.join(split.features)}")
    found = [str(column) for column, kind in split.features.items() if isinstance(kind, ClassLabel)]
    if wanted or "label" in split.features:
        return wanted or "label"
    if len(found) != 1:
        shown = ", ".join(found) or f"no column of classes among {', '.join(split.features)}"
        raise InputError(f"{source} has {shown}; choose the labels, as in hf:NAME:CONFIG:COLUMN (CONFIG may be empty)")
    return found[0]


def _labelled_test(source: str, splits: Splits, column: str) -> Splits:
    """The first test split with labels: those of competitions are often -1 throughout."""
    candidates = named(splits, TEST)
    for name in candidates:
        if column not in splits[name].features:
            continue
        _check_type(source, splits[name], column)
        if set(_values(splits[name], column)) - {None, -1, ""}:
            say_test(source, name, candidates)
            return {name: splits[name]}
    say_test(source, None, candidates)
    return {}


def _check_type(source: str, split: Any, column: str) -> None:
    """Raise InputError for a column whose values cannot be classes."""
    from datasets import ClassLabel, Value

    feature = split.features[column]
    if isinstance(feature, ClassLabel):
        return
    if not isinstance(feature, Value) or not (feature.dtype == "null" or kind_of(feature.pa_type)):
        kind = feature.dtype if isinstance(feature, Value) else type(feature).__name__
        raise InputError(
            f"{source} has labels of the type {kind} in {column!r}; expected classes, whole numbers, text, or true and "
            "false"
        )


def _labels(source: str, split: Any, column: str, known: Sequence[str] | None) -> np.ndarray:
    """Of one split, numbered as the class names that are known."""
    values = _values(split, column)
    names = getattr(split.features[column], "names", None)
    if not values or any(value is None or (names and value == -1) for value in values):
        raise InputError(f"{source} has rows without a class in {column!r}; remove them")
    numbers = renumbering(source, names, known, "its training images") if names and known else None
    return renumbered(np.array(values, dtype=object if isinstance(values[0], str) else None), numbers)


def _values(split: Any, column: str) -> list[Any]:
    values: list[Any] = split.select_columns([column])[:][column]
    return values
