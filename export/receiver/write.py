"""Write what a receiver gets beside the models: programs that need nothing of this package."""

from collections.abc import Sequence
from inspect import getsource
from pathlib import Path
from typing import Any

from export.format import Format
from proxyless.files import write_text
from proxyless.space import Architecture, LayerSpec

_HERE = Path(__file__).parent
_LOADERS = "LOADERS: dict[str, tuple[str, Callable[..., Network]]] = {}\n"
"""The line of classify.py that the formats' own functions replace."""
_LAYERS = "LAYERS: list[tuple[str, dict[str, Any]]] = []\n"
"""The line of model.py that the network's layers replace."""


def write_classify(folder: Path, formats: Sequence[Format]) -> None:
    """`classify.py`, with what opens files of these formats."""
    source = (_HERE / "classify.py").read_text(encoding="utf-8")
    assert source.count(_LOADERS) == 1
    write_text(folder / "classify.py", source.replace(_LOADERS, _loaders(formats)))


def _loaders(formats: Sequence[Format]) -> str:
    functions = "".join(f"{getsource(format_.receiver.load)}\n\n" for format_ in formats)
    entries = "".join(
        f'    "{format_.suffix}": ("{format_.receiver.package}", {format_.receiver.load.__name__}),\n'
        for format_ in formats
    )
    return functions + _LOADERS.replace("{}\n", "{\n" + entries + "}\n")


def write_model(folder: Path, architecture: Architecture) -> None:
    """`model.py`, with the layers of this network; `weights.safetensors` of the training fits it."""
    source = (_HERE / "model.py").read_text(encoding="utf-8")
    assert source.count(_LAYERS) == 1
    write_text(folder / "model.py", source.replace(_LAYERS, _layers(architecture)))


def _layers(architecture: Architecture) -> str:
    lines = [f"    ({spec.op!r}, {_arguments(spec)!r}),\n" for spec in architecture.layers]
    return _LAYERS.replace("[]\n", "[\n" + "".join(lines) + "]\n")


def _arguments(spec: LayerSpec) -> dict[str, Any]:
    """What the class of this kind of layer in model.py is made of."""
    channels = {"inputs": spec.in_shape[2], "outputs": spec.out_shape[2]}
    if spec.op == "classifier":
        return channels
    convolution = {"kernel": spec.kernel, "stride": spec.stride, "act": spec.act}
    if spec.op == "conv":
        return {**channels, **convolution}
    return {**channels, **convolution, "expand": spec.expand, "residual": spec.residual}
