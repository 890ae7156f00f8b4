"""TFLite through litert-torch, channels last."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from export.format import Format

_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def convert(network: nn.Module, resolution: int, path: Path) -> None:
    """Write the network with BatchNorm folded: images (1, H, W, 3) to logits (1, classes)."""
    import litert_torch

    channels_last = litert_torch.to_channel_last_io(network.eval(), args=[0])
    litert_torch.convert(channels_last, (torch.zeros(1, resolution, resolution, 3),)).export(str(path))


def operators(path: Path) -> Counter[str]:
    """How often each operator occurs."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return Counter(_NAMES[codes[operator.opcodeIndex]] for operator in model.subgraphs[0].operators)


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of normalised images, float32 (N, 3, H, W), one at a time."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]
    logits = []
    for image in images.transpose(0, 2, 3, 1):
        interpreter.set_tensor(source, np.ascontiguousarray(image[None]))
        interpreter.invoke()
        logits.append(interpreter.get_tensor(target))
    return np.concatenate(logits)


TFLITE = Format(
    "tflite", "model.tflite", "NHWC", "litert", ("TRANSPOSE",), convert, operators, run, package="litert-torch"
)
