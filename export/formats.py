"""The formats that can be written: a description here, and their tools in a file each."""

from collections.abc import Sequence

from export.dtypes import Dtype
from export.format import Format, ModelFile, Tools
from proxyless.errors import InputError, find_by_name


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
    packages=("ai_edge_litert", "ai_edge_quantizer", "flatbuffers", "litert_torch"),
    extra="litert",
)

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (ONNX, TFLITE)}


def find_formats(names: Sequence[str]) -> list[Format]:
    """The formats of these names, without repeats.

    Raises:
        InputError: an unknown name, or none at all.
    """
    if not names:
        raise InputError(f"no format to export to; choose of {', '.join(FORMATS)}")
    return [find_by_name("format", name, FORMATS) for name in dict.fromkeys(names)]


def all_files(formats: Sequence[Format], dtypes: Sequence[Dtype]) -> list[ModelFile]:
    """Every file of these formats and dtypes that there are recipes for; float32 comes first."""
    return [
        ModelFile(format_, dtype)
        for dtype in dict.fromkeys(("float32", *dtypes))
        for format_ in formats
        if dtype == "float32" or dtype in format_.dtypes
    ]
