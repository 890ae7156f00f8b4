"""An export format: ONNX files that are timed on the reference runtime of this package."""

from dataclasses import replace

from export.formats import ONNX

FORMAT = replace(ONNX, name="onnx-reference", suffix=".onnxref", runtime="onnx-reference")
