"""Write what a receiver gets beside the models: programs that need nothing of this package."""

from collections.abc import Sequence
from dataclasses import asdict
from inspect import getsource
from pathlib import Path

from export.format import Format
from proxyless.files import write_text
from proxyless.ops import LayerSpec, lower_layer

_HERE = Path(__file__).parent
_LOADERS = "LOADERS: dict[str, tuple[str, Callable[..., Network]]] = {}\n"
"""The line of classify.py that the formats' own functions replace."""
_LAYERS = "LAYERS: list[tuple[bool, list[dict[str, Any]]]] = []\n"
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


def write_model(folder: Path, layers: Sequence[LayerSpec]) -> None:
    """`model.py`, with the layers of this network; `weights.safetensors` of the training fits it."""
    source = (_HERE / "model.py").read_text(encoding="utf-8")
    assert source.count(_LAYERS) == 1
    write_text(folder / "model.py", source.replace(_LAYERS, _layers(layers)))


def _layers(layers: Sequence[LayerSpec]) -> str:
    lines = "".join(f"    ({spec.residual}, [\n{_nodes(spec)}    ]),\n" for spec in layers)
    return _LAYERS.replace("[]\n", "[\n" + lines + "]\n")


def _nodes(spec: LayerSpec) -> str:
    """Without the sum with the input, of which the layer knows."""
    nodes = [{"op": type(node).__name__, **asdict(node)} for node in lower_layer(spec).branch]
    return "".join(f"        {node!r},\n" for node in nodes)
