"""Write what a receiver gets beside the models: programs that need nothing of this package."""

import ast
from collections.abc import Sequence
from dataclasses import asdict
from inspect import getsource
from pathlib import Path

from export.format import Format
from proxyless.data import reader
from proxyless.files import write_text
from proxyless.ops import LayerSpec, lower_layer

_HERE = Path(__file__).parent
_READER = "from proxyless.data.reader import read_image, without_warnings\n"
"""The line of classify.py that the code of this module replaces: receivers read images as training does."""
_LOADERS = "LOADERS: dict[str, tuple[str, Callable[..., Network]]] = {}\n"
"""The line of classify.py that the formats' own functions replace."""
_LAYERS = "LAYERS: list[tuple[bool, list[dict[str, Any]]]] = []\n"
"""The line of model.py that the network's layers replace."""


def write_classify(folder: Path, formats: Sequence[Format]) -> None:
    """`classify.py`, with what opens files of these formats."""
    source = (_HERE / "classify.py").read_text(encoding="utf-8")
    assert source.count(_LOADERS) == source.count(_READER) == 1
    source = source.replace(_LOADERS, _loaders(formats))
    write_text(folder / "classify.py", source.replace(_READER, _reader(already=source)))


def _reader(already: str) -> str:
    """The code of the reader, without its description and the imports that are there already."""
    source = getsource(reader)
    lines, statements = source.splitlines(keepends=True), ast.parse(source).body[1:]
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = [f"{ast.unparse(node)}\n" for node in imports]
    return "".join(line for line in imported if line not in already) + "".join(lines[imports[-1].end_lineno :])


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
