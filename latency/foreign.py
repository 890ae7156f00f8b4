"""Model files of other makers, looked at before they are run: what a runtime would say badly or not at all."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from proxyless.errors import InputError, one_line, shown

if TYPE_CHECKING:
    import onnx

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 2**31 - 1
"""Of one file of ONNX, which is a message of protobuf."""


def check_shapes(path: Path, given: Collection[str]) -> None:
    """Raise InputError for an ONNX file that leaves the shape of an input out altogether, and nobody gives it.

    It would be taken for a single number. A damaged file is left to the runtime.
    """
    if path.suffix.lower() != ".onnx":
        return
    graph = _read(path)
    weights = {entry.name for entry in graph.initializer} if graph else set()
    for entry in graph.input if graph else ():
        kind = entry.type
        if entry.name in weights or entry.name in given or not kind.HasField("tensor_type"):
            continue
        if not kind.tensor_type.HasField("shape"):
            raise InputError(
                f"{path} does not say how many dimensions its input {shown(entry.name)} has; give its shape, such as "
                f"--shape {entry.name}=1,3,224,224"
            )


def self_contained(path: Path, folder: Path) -> Path:
    """The file itself; of an ONNX file with weights in other files, one with all of them, in `folder`.

    Raises:
        InputError: the weights are not there, or too large for one file.
    """
    if path.suffix.lower() != ".onnx":
        return path
    graph = _read(path)
    if graph is None or not _tells_of_files(graph):
        return path
    import onnx

    try:
        model = onnx.load(str(path))
        size = model.ByteSize()
        if size > _MOST_BYTES:
            raise ValueError(f"together they have {size:,} bytes, more than one file of ONNX may have")
        whole = folder / f"{len(list(folder.iterdir()))}-{path.name}"
        onnx.save(model, str(whole))
    except Exception as error:  # onnx raises what its C++ and protobuf do
        raise InputError(
            f"the weights of {path}, which are in files beside it, cannot be put into one file for a device "
            f"({one_line(str(error))}); bring the files together again"
        ) from None
    return whole


def _tells_of_files(graph: "onnx.GraphProto") -> bool:
    """Whether a tensor anywhere in it, also in an attribute or a branch, is in another file."""
    from onnx import TensorProto

    tensors = [*graph.initializer]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            if any(map(_tells_of_files, [attribute.g, *attribute.graphs])):
                return True
    return any(tensor.data_location == TensorProto.EXTERNAL for tensor in tensors)


def say_signatures(path: Path) -> None:
    """A notice where a TFLite file has several signatures, of which the first graph is timed."""
    if path.suffix.lower() != ".tflite":
        return
    try:
        from ai_edge_litert import schema_py_generated as schema

        model = schema.Model.GetRootAs(path.read_bytes(), 0)
        names = [model.SignatureDefs(index).SignatureKey().decode() for index in range(model.SignatureDefsLength())]
    except Exception:  # a damaged file, or no LiteRT: the runtime says so
        return
    if len(names) > 1:
        _LOG.info(
            "%s has %d signatures (%s), of which the first graph is timed; split the file to time another",
            path,
            len(names),
            ", ".join(shown(name)[1:-1] for name in names[:6]),
        )


def _read(path: Path) -> "onnx.GraphProto | None":
    """The graph, without weights in other files; None of what is damaged or too large, or without the package onnx."""
    if path.stat().st_size > _MOST_BYTES:
        return None
    try:
        import onnx

        return onnx.load(str(path), load_external_data=False).graph
    except Exception:  # protobuf's own errors, of any damage, or no such package
        return None
