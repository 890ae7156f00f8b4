"""Labels in a column of a table: their type is looked at before their values, and files are held against the first."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow
import pyarrow.parquet
from pyarrow import types

from proxyless.data.labels import renumbering
from proxyless.errors import InputError, shown

Predicate = Callable[[pyarrow.DataType], bool]

_KINDS: dict[str, tuple[Sequence[Predicate], pyarrow.DataType, type]] = {
    "whole numbers": ((types.is_integer,), pyarrow.int64(), np.int64),
    "text": ((types.is_string, types.is_large_string, types.is_string_view), pyarrow.large_string(), object),
    "true and false": ((types.is_boolean,), pyarrow.bool_(), np.bool_),
}
"""By the words of messages: Arrow's types, what they become in Arrow, and in numpy."""

_HIDDEN = -1
"""What data sets write for a label that is kept secret; where labels are text, it is empty."""


@dataclass(frozen=True)
class Labels:
    """Labels of one split. values: (N,), where a null or -1 for all means that they are hidden.

    kind: in words; None of a column of nulls, or without such a column. names: of the values 0, 1, ..., if there are.
    """

    file: Path
    type: str
    kind: str | None
    values: np.ndarray
    names: Sequence[str] | None
    known: bool

    def joined(self, others: "Sequence[Labels]") -> Self:
        """All labels of a split.

        Raises:
            InputError: rows without a label among others.
        """
        every: list[Labels] = [self, *others]
        known = [part for part in every if part.known]
        hidden = next((part for part in every if not part.known and len(part.values)), None)
        if known and hidden is not None:
            raise InputError(f"{hidden.file.parent} has rows without label; remove them")
        return replace(
            self,
            kind=(known[0] if known else self).kind,
            values=np.concatenate([part.values for part in every]),
            names=next((part.names for part in every if part.names is not None), None),
            known=bool(known),
        )


def read_labels(file: Path, like: Labels | None) -> Labels:
    """The column `label` of a parquet file, with the numbers that classes have in `like`.

    Raises:
        InputError: a column of another type, or other class names; rows without label among others.
        OSError, ArrowException: not a parquet file.
    """
    schema = pyarrow.parquet.read_schema(file)
    kind = _check_schema(schema, file, like)
    rows = pyarrow.parquet.read_metadata(file).num_rows
    if kind is None:
        return Labels(file, "null", None, np.full(rows, _HIDDEN), None, known=False)
    column = pyarrow.parquet.read_table(file, columns=["label"])["label"]
    _, arrow, numpy = _KINDS[kind]
    names = class_names(schema) if numpy is np.int64 else None
    if column.null_count:
        if column.null_count < rows:
            raise InputError(f"{file.parent} has rows without label; remove them")
        return Labels(file, str(column.type), kind, np.full(rows, _HIDDEN), names, known=False)
    values: np.ndarray = np.array(_plain(column).cast(arrow).to_pylist(), dtype=numpy)
    known = bool(rows) and not bool(np.all(values == ("" if numpy is object else _HIDDEN)))
    if known and names and like and like.names:
        values = renumbered(values, renumbering(str(file), names, like.names, str(like.file)))
    return Labels(file, str(column.type), kind, values, names, known)


def kind_of(type_: pyarrow.DataType) -> str | None:
    """In the words of messages; None of what cannot be a class."""
    plain = type_.value_type if types.is_dictionary(type_) else type_
    return next((kind for kind, (accepted, _, _) in _KINDS.items() if any(test(plain) for test in accepted)), None)


def class_names(schema: pyarrow.Schema) -> list[str] | None:
    """Those that the `datasets` library wrote into a file."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        names: Any = json.loads(metadata)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def renumbered(values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Values without a class are left, for the check that names them."""
    if numbers is None:
        return values
    inside = (values >= 0) & (values < len(numbers))
    return np.where(inside, numbers[np.where(inside, values, 0)], values)


def _plain(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    return column.cast(column.type.value_type) if types.is_dictionary(column.type) else column


def _check_schema(schema: pyarrow.Schema, file: Path, like: Labels | None) -> str | None:
    """The kind of the labels; None where the file has none."""
    fields = {field.name: field.type for field in schema}
    image, label = fields.get("image"), fields.get("label")
    has_bytes = image is not None and types.is_struct(image) and image.get_field_index("bytes") >= 0
    hidden = label is None or types.is_null(label)
    kind = None if label is None or hidden else kind_of(label)
    if like is not None and (hidden or not has_bytes):  # a split that cannot be tested on
        return None
    if not has_bytes or kind is None:
        columns = ", ".join(f"{shown(name)[1:-1]} ({shown(str(type_))[1:-1]})" for name, type_ in fields.items())
        raise InputError(
            f"{file} has the columns {columns[:300] or 'none'}; expected image (a struct with bytes) and label (whole "
            "numbers, text, or true and false)"
        )
    if like is not None and kind is not None and kind != like.kind:
        raise InputError(
            f"{file} has labels of {kind} ({label}), and {like.file} of {like.kind} ({like.type}); make them alike"
        )
    return kind
