"""Opens a .tflite file with LiteRT, or with the older tflite-runtime.

Copied into the program that a receiver gets, `classify.py`: it imports nothing but its runtime, and numpy as np.
"""

from pathlib import Path

import numpy as np

from export.receiver.classify import Network


def load_tflite(path: Path, threads: int = 1) -> Network:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(images: np.ndarray) -> np.ndarray:
        scale, zero_point = source["quantization"]
        if scale:  # an int8 file
            limits = np.iinfo(source["dtype"])
            images = np.clip(np.rint(images / scale) + zero_point, limits.min, limits.max).astype(source["dtype"])
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        logits: np.ndarray = interpreter.get_tensor(target["index"])
        scale, zero_point = target["quantization"]
        return (logits.astype(np.float32) - zero_point) * np.float32(scale) if scale else logits

    return run, source["shape"].tolist()
