"""What an exported file says of itself, inside the file: who made it, its labels, its preprocessing, its target."""

import json
import struct
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from export.preprocess import Preprocess
from proxyless.errors import InputError
from proxyless.extras import require
from proxyless.files import atomic
from proxyless.space import Target

if TYPE_CHECKING:
    from onnx import ModelProto

ENTRY = "proxyless"
"""Name of the metadata entry of a .tflite file, a JSON object of texts; an .onnx file has its own list of them."""

LABELS, PREPROCESSING = "labels", "preprocessing"

_DAMAGED = (ValueError, struct.error, TypeError, IndexError, OverflowError, RecursionError)
"""What reading a damaged flatbuffer, or JSON, raises."""


def describe_entries(
    labels: Sequence[str], preprocess: Preprocess, file_name: str, target: Target | None = None
) -> dict[str, str]:
    """The entries of one file. Of the device there is what kind it is: host names and paths stay private."""
    entries = {
        "producer": f"proxyless {version('proxyless')}",
        LABELS: json.dumps(list(labels), ensure_ascii=False),
        PREPROCESSING: preprocess.of_file(file_name).model_dump_json(),
    }
    if target is not None:
        entries["budget"] = json.dumps({"budget_ms": target.budget_ms, "predicted_ms": target.predicted_ms})
        device = {"device": target.device.partition(":")[0], **target.model_dump(include=_DEVICE)}
        entries["device"] = json.dumps(device)
    return entries


_DEVICE = {"runtime", "threads", "batch", "delegate", "dtype"}


def write_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Put entries into an .onnx or .tflite file, in place of those of the same names; what it computes stays.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    known = {**read_metadata(path), **entries}
    if path.suffix == ".onnx":
        model = _onnx(path)
        from onnx.helper import set_model_props

        set_model_props(model, known)
        content = model.SerializeToString()
    else:
        content = _with_json(path, json.dumps(known, ensure_ascii=False).encode())
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def read_metadata(path: Path) -> dict[str, str]:
    """The entries of an .onnx or .tflite file; empty where it has none.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    if path.suffix == ".onnx":
        return {entry.key: entry.value for entry in _onnx(path).metadata_props}
    if path.suffix != ".tflite":
        raise InputError(f"{path} has an unknown suffix; give a file ending in .onnx or .tflite")
    model = _tflite(path)
    from export.tflite_metadata import read_entry

    try:
        content = read_entry(model, ENTRY)
        return {} if content is None else _texts(json.loads(content))
    except _DAMAGED as error:
        raise InputError(f"{path} is not a complete TFLite model ({error}); export it again") from None


def _onnx(path: Path) -> "ModelProto":
    require("the description in an .onnx file", "onnx", ["onnx"])
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return ModelProto.FromString(_read(path))
    except DecodeError as error:
        raise InputError(f"{path} is not a complete ONNX model ({error}); export it again") from None


def _tflite(path: Path) -> bytes:
    require("the description in a .tflite file", "litert", ["ai_edge_litert", "flatbuffers"])
    from export.tflite_metadata import is_tflite

    content = _read(path)
    if not is_tflite(content):
        raise InputError(f"{path} is not a TFLite model, whatever its name says; export it again")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"model {path} cannot be read: {error.strerror}; check the path") from None


def _with_json(path: Path, content: bytes) -> bytes:
    model = _tflite(path)
    from export.tflite_metadata import with_entry

    try:
        return with_entry(model, ENTRY, content)
    except _DAMAGED as error:
        raise InputError(f"{path} is not a complete TFLite model ({error}); export it again") from None


def _texts(document: object) -> dict[str, str]:
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise ValueError(f"its metadata entry {ENTRY!r} is not a list of texts")
    return document
