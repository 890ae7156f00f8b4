"""LiteRT (TFLite): on XNNPACK, or on the built-in kernels (delegate `none`)."""

from latency.runtimes.base import RUNNERS, Quantize, Runtime, Write


def _writer() -> Write:
    from latency.writers.tflite import write_tflite

    return write_tflite


def _quantizer() -> Quantize:
    from export.tflite_recipes import RECIPES

    return RECIPES["int8"][0].make


LITERT = Runtime(
    "litert",
    ".tflite",
    ("xnnpack", "none"),
    _writer,
    RUNNERS / "litert.py",
    "ai_edge_litert",
    _quantizer,
    loads_any=True,
    writes_with=("ai_edge_litert", "flatbuffers"),
    quantizes_with=("ai_edge_quantizer",),
)
