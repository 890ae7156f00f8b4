"""ONNX through torch's exporter, on ONNX Runtime."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from export.format import Model, Structure, Tools
from export.onnx_int8 import RECIPES
from proxyless.errors import CheckError
from proxyless.nn.deployed import with_folded_norms

OPSET = 18


def convert(network: nn.Module, resolution: int, path: Path) -> None:
    """Write the network with BatchNorm folded: `images` (batch, 3, H, W) to `logits` (batch, classes).

    Raises:
        CheckError: the exporter fell back to another opset.
    """
    example = torch.zeros(2, 3, resolution, resolution)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(
        with_folded_norms(network),
        (example,),
        input_names=["images"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=shapes,
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found.get("") != OPSET:
        raise CheckError(f"the ONNX exporter wrote opset {found.get('')} instead of {OPSET}")
    _strip(model)
    path.write_bytes(model.SerializeToString())


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes: they carry source lines and paths of the machine that exported."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]


def structure(path: Path) -> Structure:
    """Examine a file.

    Raises:
        CheckError: it is not valid ONNX.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # protobuf, checker and shape inference each have their own
        raise CheckError(f"{path.name} is not valid ONNX: {str(error).splitlines()[0]}") from None
    nodes = model.graph.node
    made_by = {name: node for node in nodes for name in node.output}
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    depthwise = [node for node in convolutions if _is_depthwise(node, made_by, shapes)]
    layers = [*convolutions, *(node for node in nodes if node.op_type in ("Gemm", "MatMul"))]
    operators = Counter(node.op_type for node in nodes)
    return Structure(
        input_dtype="float32",
        operators=operators,
        convolutions=len(convolutions) - len(depthwise),
        depthwise=len(depthwise),
        paddings=operators["Pad"],
        reshapes=operators["Reshape"],
        float_layers=sum(not _is_quantized(node, made_by) for node in layers),
    )


def _is_depthwise(node: Any, made_by: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> bool:
    weight = node.input[1]
    shape = shapes[weight if weight in shapes else made_by[weight].input[0]]
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return groups > 1 and groups == shape[0] and shape[1] == 1


def _is_quantized(node: Any, made_by: dict[str, Any]) -> bool:
    """Whether it has the form that ONNX Runtime computes in integers: image and weights straight from int8."""
    return all(name in made_by and made_by[name].op_type == "DequantizeLinear" for name in node.input[:2])


def load(path: Path) -> Model:
    """Open a file.

    Raises:
        CheckError: ONNX Runtime does not load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class
        raise CheckError(f"{path.name} does not load: {str(error).splitlines()[0]}") from None
    (source,) = session.get_inputs()

    def run(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = session.run(None, {source.name: images})[0]
        return logits

    return run


TOOLS = Tools(convert, structure, load, {"int8": RECIPES})
