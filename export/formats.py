"""The formats that can be written: one file each, and a line in `FORMATS`."""

from collections.abc import Sequence
from pathlib import Path

from export.dtypes import Dtype
from export.format import Format, ModelFile
from export.onnx import ONNX
from export.tflite import TFLITE
from proxyless.errors import InputError, find_by_name

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (ONNX, TFLITE)}


def find_formats(names: Sequence[str]) -> list[Format]:
    """The formats of these names, without repeats.

    Raises:
        InputError: an unknown name, or none at all.
    """
    if not names:
        raise InputError(f"no format to export to; choose of {', '.join(FORMATS)}")
    return [find_by_name("format", name, FORMATS) for name in dict.fromkeys(names)]


def format_of(path: Path) -> Format:
    """The format of a file, by its suffix.

    Raises:
        InputError: it has none of ours.
    """
    for format_ in FORMATS.values():
        if path.suffix == format_.suffix:
            return format_
    suffixes = " or ".join(format_.suffix for format_ in FORMATS.values())
    raise InputError(f"{path} has an unknown suffix; give a file ending in {suffixes}")


def all_files(formats: Sequence[Format], dtypes: Sequence[Dtype]) -> list[ModelFile]:
    """Every file of these formats and dtypes that there are recipes for; float32 comes first."""
    return [
        ModelFile(format_, dtype)
        for dtype in dict.fromkeys(("float32", *dtypes))
        for format_ in formats
        if dtype == "float32" or dtype in format_.recipes
    ]
