"""Opens an .onnx file with ONNX Runtime.

Copied into the program that a receiver gets, `classify.py`: it imports nothing but its runtime, and numpy as np.
"""

from pathlib import Path

from export.receiver.classify import Network


def load_onnx(path: Path, threads: int = 1) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"], enable_fallback=0)
    source = session.get_inputs()[0]
    return lambda images: session.run(None, {source.name: images})[0], source.shape
