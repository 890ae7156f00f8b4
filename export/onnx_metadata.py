"""What an .onnx file says of itself: its own list of texts by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from proxyless.errors import InputError
from proxyless.extras import require
from proxyless.files import atomic, read_bytes

if TYPE_CHECKING:
    from onnx import ModelProto


def read_entries(path: Path) -> dict[str, str]:
    """The entries of a file.

    Raises:
        InputError: another kind of file, a damaged one, or a package that is missing.
    """
    return {entry.key: entry.value for entry in _model(path).metadata_props}


def write_entries(path: Path, entries: Mapping[str, str]) -> None:
    """Put entries in place of those that are there.

    Raises:
        InputError: another kind of file, a damaged one, or a package that is missing.
    """
    model = _model(path)
    from onnx.helper import set_model_props

    set_model_props(model, dict(entries))
    with atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _model(path: Path) -> "ModelProto":
    require("the description in an .onnx file", "onnx", ["onnx"])
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return ModelProto.FromString(read_bytes(path, "model"))
    except DecodeError as error:
        raise InputError(f"{path} is not a complete ONNX model ({error}); export it again") from None
