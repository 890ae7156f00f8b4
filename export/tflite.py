"""TFLite through litert-torch, channels last, on LiteRT."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from export.format import Model, Structure, Tools
from export.tflite_recipes import RECIPES
from proxyless.errors import CheckError
from proxyless.nn.deployed import with_folded_norms

_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def convert(network: nn.Module, resolution: int, path: Path) -> None:
    """Write the network with BatchNorm folded: images (1, H, W, 3) to logits (1, classes)."""
    import litert_torch

    channels_last = litert_torch.to_channel_last_io(with_folded_norms(network), args=[0])
    litert_torch.convert(channels_last, (torch.zeros(1, resolution, resolution, 3),)).export(str(path))


def structure(path: Path) -> Structure:
    """Examine a file.

    Raises:
        CheckError: it does not load.
    """
    interpreter = _open(path)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    named = [(_NAMES[codes[operator.opcodeIndex]], operator) for operator in graph.operators]
    operators = Counter(name for name, _ in named)
    layers = [operator for name, operator in named if name in _LAYERS]
    return Structure(
        input_dtype="int8" if interpreter.get_input_details()[0]["dtype"] == np.int8 else "float32",
        operators=operators,
        convolutions=operators["CONV_2D"],
        depthwise=operators["DEPTHWISE_CONV_2D"],
        paddings=operators["PAD"],
        reshapes=operators["RESHAPE"],
        float_layers=sum(not _is_quantized(operator, graph.tensors) for operator in layers),
        delegated=_is_delegated(interpreter),
    )


def _is_quantized(operator: Any, tensors: Any) -> bool:
    return all(tensors[index].type == schema.TensorType.INT8 for index in operator.inputs[:2])


def _is_delegated(interpreter: Interpreter) -> bool:
    """Whether one delegate reads the image and writes the logits: then nothing is left outside."""
    details = interpreter._get_ops_details()
    delegates = [entry for entry in details if entry["op_name"] == "DELEGATE"]
    if len(delegates) != 1:
        return False
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    return source in delegates[0]["inputs"] and target in delegates[0]["outputs"]


def _open(path: Path) -> Interpreter:
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise CheckError(f"{path.name} does not load: {str(error).splitlines()[0]}") from None
    return interpreter


def load(path: Path) -> Model:
    """Open a file; images and logits of an int8 file are converted with the scales that it carries.

    Raises:
        CheckError: LiteRT does not load it.
    """
    interpreter = _open(path)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: np.ndarray) -> np.ndarray:
        if not _resize(interpreter, source, len(images)):
            return np.concatenate([run(image[None]) for image in images])
        pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        interpreter.set_tensor(source["index"], _quantized(pixels, source))
        interpreter.invoke()
        return _dequantized(interpreter.get_tensor(target["index"]), target)

    return run


def _resize(interpreter: Interpreter, source: dict[str, Any], batch: int) -> bool:
    """Whether a file can be run on so many images at once: reshapes, as in a channel shuffle, may be for one."""
    try:
        if interpreter.get_input_details()[0]["shape"][0] != batch:
            interpreter.resize_tensor_input(source["index"], [batch, *source["shape"][1:]])
            interpreter.allocate_tensors()
    except RuntimeError:
        interpreter.resize_tensor_input(source["index"], source["shape"])
        interpreter.allocate_tensors()
        return False
    return True


def _quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if not np.issubdtype(tensor["dtype"], np.integer):
        return values
    (scale, zero), limits = tensor["quantization"], np.iinfo(tensor["dtype"])
    rounded: np.ndarray = np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])
    return rounded


def _dequantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if not np.issubdtype(tensor["dtype"], np.integer):
        return values
    scale, zero = tensor["quantization"]
    real: np.ndarray = ((values.astype(np.float32) - zero) * scale).astype(np.float32)
    return real


TOOLS = Tools(convert, structure, load, RECIPES)
