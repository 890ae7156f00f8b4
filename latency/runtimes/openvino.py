"""OpenVINO on the CPU, in float32; it reads the ONNX files."""

from latency.runtimes.base import RUNNERS, Runtime
from latency.runtimes.onnxruntime import ONNXRUNTIME

OPENVINO = Runtime(
    "openvino", ".onnx", ("cpu",), ONNXRUNTIME.writer, RUNNERS / "openvino.py", "openvino", writes_with=("onnx",)
)
