"""Metadata in an .onnx file: its own list of texts by name."""

from collections.abc import Mapping
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from proxyless.errors import InputError
from proxyless.files import atomic, read_bytes


def read_entries(path: Path) -> dict[str, str]:
    """The entries of a file.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    return {entry.key: entry.value for entry in _model(path).metadata_props}


def write_entries(path: Path, entries: Mapping[str, str]) -> None:
    """Put entries in place of those that are there.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    model = _model(path)
    onnx.helper.set_model_props(model, dict(entries))
    with atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _model(path: Path) -> onnx.ModelProto:
    try:
        return onnx.ModelProto.FromString(read_bytes(path, "model"))
    except DecodeError as error:
        raise InputError(f"{path} is not a complete ONNX model ({error}); export it again") from None
