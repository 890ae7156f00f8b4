"""ONNX through torch's exporter."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from export.format import Format
from proxyless.errors import CheckError

OPSET = 18


def convert(network: nn.Module, resolution: int, path: Path) -> None:
    """Write the network with BatchNorm folded: `images` (batch, 3, H, W) to `logits` (batch, classes).

    Raises:
        CheckError: the exporter fell back to another opset.
    """
    example = torch.zeros(2, 3, resolution, resolution)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(
        network.eval(),
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
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes: they carry source lines and paths of the machine that exported."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]


def operators(path: Path) -> Counter[str]:
    """How often each operator occurs."""
    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def run(path: Path, images: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of normalised images, float32 (N, 3, H, W)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"images": images[i : i + 32]})[0] for i in range(0, len(images), 32)]
    return np.concatenate(parts)


ONNX = Format("onnx", "model.onnx", "NCHW", "onnxruntime", ("Transpose", "BatchNormalization"), convert, operators, run)
