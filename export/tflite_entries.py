"""What a .tflite file says of itself: a JSON object of texts in one metadata entry."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from proxyless.errors import InputError
from proxyless.extras import require
from proxyless.files import atomic, read_bytes

ENTRY = "proxyless"
"""Name of the metadata entry."""

_DAMAGED = (ValueError, struct.error, TypeError, IndexError, OverflowError, RecursionError)
"""What reading a damaged flatbuffer, or JSON, raises."""


def read_entries(path: Path) -> dict[str, str]:
    """The texts of our entry in a file; none where it has no such entry.

    Raises:
        InputError: another kind of file, a damaged one, or a package that is missing.
    """
    model = _model(path)
    from export.tflite_metadata import read_entry

    try:
        content = read_entry(model, ENTRY)
        return {} if content is None else _texts(json.loads(content))
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def write_entries(path: Path, entries: Mapping[str, str]) -> None:
    """Put texts in place of those that are there.

    Raises:
        InputError: another kind of file, a damaged one, or a package that is missing.
    """
    model = _model(path)
    from export.tflite_metadata import with_entry

    try:
        content = with_entry(model, ENTRY, json.dumps(dict(entries), ensure_ascii=False).encode())
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not a complete TFLite model ({error}); export it again")


def _model(path: Path) -> bytes:
    require("the description in a .tflite file", "litert", ["ai_edge_litert", "flatbuffers"])
    from export.tflite_metadata import is_tflite

    content = read_bytes(path, "model")
    if not is_tflite(content):
        raise InputError(f"{path} is not a TFLite model, whatever its name says; export it again")
    return content


def _texts(document: object) -> dict[str, str]:
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise ValueError(f"its metadata entry {ENTRY!r} is not a list of texts")
    return document
