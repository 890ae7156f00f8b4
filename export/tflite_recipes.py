"""int8 and float16 TFLite through the AI Edge Quantizer.

Its calibrator is used directly: the quantizer's own way averages the range of every tensor over the images, which
clips most of them (signal to noise 15 dB on a trained network; 36 dB with the whole range).
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping, quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.calibrator import Calibrator
from ai_edge_quantizer.utils import qsv_utils
from ai_edge_quantizer.utils.tfl_flatbuffer_utils import read_model

from export.dtypes import Dtype
from export.format import Recipe
from export.silence import silence

_EVERYTHING = qtyping.TFLOperationName.ALL_SUPPORTED
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

Update = Callable[[Any, Any], Any]
"""Joins the range of a tensor on one image with that on those before."""


def make_int8(source: Path, target: Path, images: np.ndarray, update: Update, ends_in_float: bool) -> None:
    """Quantize a float32 file to integers throughout, weights per channel, images and logits too.

    ends_in_float: keep the first and the last layer as they are; images and logits are then float.
    """
    with silence():
        _make_int8(source, target, images, update, ends_in_float)


def _make_int8(source: Path, target: Path, images: np.ndarray, update: Update, ends_in_float: bool) -> None:
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(".*", _EVERYTHING, activation_num_bits=8, weight_num_bits=8)
    for name in _end_scopes(source) if ends_in_float else ():
        recipe.add_quantization_config(re.escape(name), _EVERYTHING, algorithm_key=AlgorithmName.NO_QUANTIZE)
    calibrator = Calibrator(str(source), num_threads=1, qsv_update_func=update)
    interpreter = Interpreter(model_path=str(source))
    ((signature, names),) = interpreter.get_signature_list().items()
    size = interpreter.get_input_details()[0]["shape"][0]
    pixels = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    parts = [{names["inputs"][0]: pixels[start : start + size]} for start in range(0, len(pixels), size)]
    calibrator.calibrate({signature: parts}, recipe)
    _write(source, target, recipe, calibrator.get_model_qsvs())


def make_float16(source: Path, target: Path, images: np.ndarray) -> None:
    """Store the weights in half precision; they are widened when the file is loaded."""
    recipe = recipe_manager.RecipeManager()
    recipe.add_weight_only_config(".*", _EVERYTHING, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING)
    with silence():
        _write(source, target, recipe, None)


def _write(source: Path, target: Path, recipe: recipe_manager.RecipeManager, ranges: Any) -> None:
    tool = quantizer.Quantizer(str(source), recipe.get_quantization_recipe())
    result = tool.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    assert result.quantized_model is not None
    target.write_bytes(result.quantized_model)


def _end_scopes(path: Path) -> list[str]:
    """What the quantizer calls the first and the last layer: the names of their outputs."""
    names = {value: name for name, value in vars(qtyping.BuiltinOperator).items() if isinstance(value, int)}
    model = read_model(path.read_bytes())
    graph = model.subgraphs[0]
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    layers = [operator for operator in graph.operators if codes[operator.opcodeIndex] in _LAYERS]
    return [graph.tensors[layer.outputs[0]].name.decode() for layer in (layers[0], layers[-1])]


def _int8(name: str, update: Update, ends_in_float: bool = False) -> Recipe:
    return Recipe(name, partial(make_int8, update=update, ends_in_float=ends_in_float), 2 if ends_in_float else 0)


RECIPES: dict[Dtype, tuple[Recipe, ...]] = {
    "int8": (
        _int8("range", qsv_utils.min_max_update),
        _int8("averaged range", qsv_utils.moving_average_update),
        _int8("range, first and last layer in float", qsv_utils.min_max_update, ends_in_float=True),
    ),
    "float16": (Recipe("cast", make_float16),),
}
