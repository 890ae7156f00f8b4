"""The formats that can be written: a description here and their tools in a file each, or of other packages."""

from collections.abc import Sequence
from pathlib import Path

from export import onnx_metadata, tflite_entries
from export.dtypes import Dtype
from export.format import Format, ModelFile, Receiver, Tools
from export.receiver.load_onnx import load_onnx
from export.receiver.load_tflite import load_tflite
from proxyless.errors import InputError
from proxyless.plugins import find_with_plugins, names_with_plugins, with_plugins


def _onnx_tools() -> Tools:
    from export.onnx import TOOLS

    return TOOLS


def _tflite_tools() -> Tools:
    from export.tflite import TOOLS

    return TOOLS


ONNX = Format(
    "onnx",
    ".onnx",
    "NCHW",
    "onnxruntime",
    unwanted=("Transpose", "BatchNormalization", "Identity", "Cast"),
    dtypes=("int8",),
    load_tools=_onnx_tools,
    read_entries=onnx_metadata.read_entries,
    write_entries=onnx_metadata.write_entries,
    receiver=Receiver("onnxruntime", load_onnx),
    packages=("onnx", "onnxruntime", "onnxscript"),
    extra="onnx",
)
TFLITE = Format(
    "tflite",
    ".tflite",
    "NHWC",
    "litert",
    unwanted=("TRANSPOSE", "CAST"),
    dtypes=("int8", "float16"),
    load_tools=_tflite_tools,
    read_entries=tflite_entries.read_entries,
    write_entries=tflite_entries.write_entries,
    receiver=Receiver("ai-edge-litert", load_tflite),
    packages=("ai_edge_litert", "ai_edge_quantizer", "flatbuffers", "litert_torch"),
    extra="litert",
)

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (ONNX, TFLITE)}


def known_formats() -> dict[str, Format]:
    """Ours, and those of other packages."""
    return with_plugins("format", FORMATS)


def find_formats(names: Sequence[str]) -> list[Format]:
    """The formats of these names, without repeats.

    Raises:
        InputError: an unknown name, or none at all.
    """
    if not names:
        raise InputError(f"no format to export to; choose of {', '.join(names_with_plugins('format', FORMATS))}")
    return [find_with_plugins("format", name, FORMATS) for name in dict.fromkeys(names)]


def format_of(path: Path) -> Format:
    """The format of a file, by its suffix.

    Raises:
        InputError: no format has it.
    """
    known = known_formats().values()
    for format_ in known:
        if path.suffix == format_.suffix:
            return format_
    suffixes = " or ".join(format_.suffix for format_ in known)
    raise InputError(f"{path} has an unknown suffix; give a file ending in {suffixes}")


def all_files(formats: Sequence[Format], dtypes: Sequence[Dtype]) -> list[ModelFile]:
    """Every file of these formats and dtypes that there are recipes for; float32 comes first."""
    return [
        ModelFile(format_, dtype)
        for dtype in dict.fromkeys(("float32", *dtypes))
        for format_ in formats
        if dtype == "float32" or dtype in format_.dtypes
    ]
