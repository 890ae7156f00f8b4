"""Files that are wrong in some way, for `fuzz.py`: one reader, with its cases, for every kind of file that is read."""

import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from export.preprocess import FileInput, Preprocess
from latency.settings import ProfileSettings
from latency.table import LatencyTable, Row, RuntimeInfo, SpaceInfo
from proxyless.config import read_yaml
from proxyless.nn import build_network, save_weights
from proxyless.search.result import SearchResult, load_result
from proxyless.search.run import RunConfig, load_config
from proxyless.space import Anchor, Architecture, BudgetedTarget, build_space, layer_cost, tiny_fixed
from proxyless.space.bounds import params_bound
from proxyless.train.run import TrainConfig
from proxyless.train.trained import ARCHITECTURE, DESCRIPTION, WEIGHTS, TrainedInfo, load_trained
from proxyless.workflow.pipeline import PipelineSettings

Files = Mapping[str, bytes]
"""Content by name."""

_SPACE = tiny_fixed(resolution=16, num_classes=3)
_OPS = [layer.choices[index % len(layer.choices)] for index, layer in enumerate(_SPACE.decisions)]
_LEARNS = {"space": "tiny-fixed", "space_args": dict(_SPACE.args), "data": "digits", "classes": ["a", "b", "c"]}
_DEEP, _LONG, _NUMBER = "@deep@", "@long@", "@number@"
_RAW = {
    f'"{_DEEP}"': "[" * 50_000 + "]" * 50_000,
    f'"{_LONG}"': "[" + "0," * 300_000 + "0]",
    f'"{_NUMBER}"': "9" * 5000,
}
"""What cannot be made of Python's values; put into the text."""

_EXTREMES: list[Any] = [1e308, -1e308, 5e-324, -1, 0, 1, 2**31, 2**63, 10**6, 10**9, 10**30, 10**4000, -(10**30)]
_EXTREMES += [float("nan"), float("inf"), -float("inf"), None, True, False, "", "x" * 100_000, "\ud800", "a\nb\x00\x1b"]
_EXTREMES += [[], {}, [[]], {"": None}, ["x"] * 1000, [1e9] * 6, "1e9", _DEEP, _LONG, _NUMBER]


@dataclass(frozen=True)
class Reader:
    """cases: files of a folder. read: reads the folder and uses what it found, raising InputError."""

    cases: SearchStrategy[Files]
    read: Callable[[Path], object]


@cache
def readers() -> dict[str, Reader]:
    """Every reader by name."""
    return {
        "architecture": Reader(_json_file("a.json", _architecture().document()), _use_architecture),
        "latency table": Reader(_json_file("a.json", _table()), _use_table),
        "configuration": Reader(_yaml_file("a.yaml", _pipeline()), _use_configuration),
        "settings of a search": Reader(_yaml_file("config.yaml", _run_config()), load_config),
        "settings of a training": Reader(_yaml_file("a.yaml", _train_config()), _use_training),
        "preprocessing": Reader(_json_file("a.json", _preprocess()), _use_preprocess),
        "search result": Reader(_search_folder(), _use_result),
        "trained folder": Reader(_trained_folder(), load_trained),
    }


def _extreme() -> SearchStrategy[Any]:
    return st.sampled_from(_EXTREMES) | st.integers() | st.floats() | st.text(max_size=30)


def _arbitrary_json() -> SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | _extreme()
    keys = st.text(max_size=10) | st.sampled_from(["format", "space", "space_args", "ops", "rows"])
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


@st.composite
def _mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to four values deleted, replaced, repeated, or joined by another."""
    changed = deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        parent, key = _place(draw, changed)
        if parent is None:
            return draw(_arbitrary_json())
        match draw(st.sampled_from(["delete", "replace", "replace", "replace", "wrap", "add"])):
            case "delete":
                del parent[key]
            case "replace":
                parent[key] = draw(_extreme() | _arbitrary_json())
            case "wrap":
                parent[key] = draw(st.sampled_from([[parent[key]], {"": parent[key]}, str(parent[key])]))
            case _ if isinstance(parent, dict):
                parent[draw(st.text(max_size=200) | st.sampled_from(["a\nb", "\ud800", "x" * 5000]))] = draw(_extreme())
            case _:
                parent.extend(parent[:1] * draw(st.sampled_from([1, 1000])))
    return changed


def _place(draw: st.DrawFn, document: Any) -> tuple[Any, Any]:
    """A random value's container and its key there; (None, None) where there is nothing in it."""
    parent, key = None, None
    while isinstance(document, dict | list) and document:
        if parent is not None and draw(st.integers(0, 3)) == 0:
            break
        parent = document
        key = draw(st.sampled_from(sorted(document) if isinstance(document, dict) else range(len(document))))
        document = parent[key]
    return parent, key


@st.composite
def _damaged(draw: st.DrawFn, content: bytes, early: int = 0) -> bytes:
    """The content cut off, with flipped bits, or with other bytes put in. early: the beginning is as likely as all."""
    longest = draw(st.sampled_from([len(content), early or len(content)]))
    places = st.integers(0, max(0, longest - 1))
    damaged = bytearray(content)
    match draw(st.sampled_from(["cut", "flip", "flip", "insert"])):
        case "cut":
            del damaged[draw(places) :]
        case "insert":
            place = draw(places)
            damaged[place:place] = draw(st.binary(min_size=1, max_size=20) | st.sampled_from([b"\xff\xfe", b"{", b'"']))
        case _:
            for place in draw(st.lists(places, min_size=1, max_size=8)):
                damaged[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(damaged)


def _to_json(document: Any) -> bytes:
    text = json.dumps(document)
    for placeholder, raw in _RAW.items():
        text = text.replace(placeholder, raw)
    return text.encode()


def _json_content(document: Any) -> SearchStrategy[bytes]:
    good = _to_json(document)
    repeated = st.sampled_from(sorted(document)).map(lambda key: good[:-1] + b", " + json.dumps({key: 1}).encode()[1:])
    structured = _mutated(document).map(_to_json)
    return st.one_of(
        st.just(good), structured, structured, structured, _damaged(good), repeated, st.binary(max_size=300),
        _arbitrary_json().map(_to_json),
    )  # fmt: skip


def _json_file(name: str, document: Any) -> SearchStrategy[Files]:
    return _json_content(document).map(lambda content: {name: content})


_BOMB = "&a [x, x], b: &b [*a, *a], " + "".join(f"c{i}: &c{i} [*b, *b], " for i in range(9)) + "d: *b"
_SNIPPETS = [
    "!!timestamp x",
    "!!bool x",
    "!!int ''",
    "!!binary '*'",
    "!!python/object/apply:os.system [true]",
    "&a [*a]",
]
_SNIPPETS += ["2001-99-99", "1:99:99:99", "0x" + "f" * 6000, "9" * 6000, "*missing", "'", "\t", "? [a]", "!!set {a, b}"]
_SNIPPETS += [
    "[" * 5000,
    "{" * 5000,
    f"{{a: {_BOMB}}}",
    "- " * 3000,
    "[" + "0, " * 100_000 + "0]",
    "<<: 1",
    "!!float a",
]
_SNIPPETS += ["|" + "\n" * 3000, "# " + "x" * 70_000, "!!omap 1", "2001-01-01T99:99:99Z", ".nan", ".inf", "1e400", "~"]


@st.composite
def _with_snippet(draw: st.DrawFn, document: Any) -> bytes:
    """The document with one value in YAML that no program writes."""
    changed = deepcopy(document)
    parent, key = _place(draw, changed)
    parent[key] = "@snippet@"
    snippet = draw(st.sampled_from(_SNIPPETS))
    return yaml.safe_dump(changed, sort_keys=False).replace("'@snippet@'", snippet).encode()


def _yaml_file(name: str, document: Any) -> SearchStrategy[Files]:
    good = yaml.safe_dump(document, sort_keys=False).encode()
    as_json = _mutated(document).map(_to_json)  # which is YAML as well, and written faster
    content = st.one_of(
        st.just(good), as_json, as_json, as_json, _with_snippet(document), _damaged(good), st.binary(max_size=300),
        st.sampled_from(_SNIPPETS).map(str.encode), _arbitrary_json().map(_to_json),
    )  # fmt: skip
    return content.map(lambda made: {name: made})


def _search_folder() -> SearchStrategy[Files]:
    result = SearchResult(
        space=_SPACE.name,
        space_args=dict(_SPACE.args),
        budget_ms=3.0,
        ops=[list(layer.choices) for layer in _SPACE.decisions],
        log_probs=[[-1.0 - index for index in range(len(layer.choices))] for layer in _SPACE.decisions],
        evaluated=[_OPS],
    ).model_dump()
    return _json_content(result).map(lambda content: {"config.yaml": b"", "result.json": content})


def _trained_folder() -> SearchStrategy[Files]:
    with tempfile.TemporaryDirectory() as name:
        save_weights(Path(name) / WEIGHTS, build_network(_architecture().layers))
        weights = (Path(name) / WEIGHTS).read_bytes()
    architecture = _architecture().document()
    info = TrainedInfo(
        data="digits", classes=["a", "b", "c"], mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), best_epoch=3,
        validation_accuracy=0.5, test_accuracy=0.5,
    ).model_dump(mode="json")  # fmt: skip
    good = {ARCHITECTURE: _to_json(architecture), DESCRIPTION: _to_json(info), WEIGHTS: weights}
    return st.one_of(
        _json_content(architecture).map(lambda content: {**good, ARCHITECTURE: content}),
        _json_content(info).map(lambda content: {**good, DESCRIPTION: content}),
        _safetensors(weights).map(lambda content: {**good, WEIGHTS: content}),
        _safetensors(weights).map(lambda content: {**good, WEIGHTS: content}),
        st.sampled_from(sorted(good)).map(lambda missing: {name: good[name] for name in good if name != missing}),
    )


def _safetensors(weights: bytes) -> SearchStrategy[bytes]:
    """Damaged bytes, and headers that are wrong but intact: eight bytes of length, then JSON."""
    (length,) = struct.unpack("<Q", weights[:8])
    header, data = json.loads(weights[8 : 8 + length]), weights[8 + length :]

    def with_header(changed: Any) -> bytes:
        text = _to_json(changed)
        return struct.pack("<Q", len(text)) + text + data

    lengths = st.sampled_from([0, 1, length - 1, length + 1, 10**6, 2**63, 2**64 - 1])
    types = st.sampled_from(["F16", "BF16", "I32", "U8", "F64", "BOOL", "F8_E5M2", "F4", "", "f32"])

    def retyped(pair: tuple[str, str]) -> bytes:
        return with_header({**header, pair[0]: {**header[pair[0]], "dtype": pair[1]}})

    names = st.sampled_from([name for name in sorted(header) if name != "__metadata__"])
    return st.one_of(
        _damaged(weights, early=8 + length),
        _damaged(weights, early=8 + length),
        _mutated(header).map(with_header),
        st.tuples(names, types).map(retyped),
        lengths.map(lambda wrong: struct.pack("<Q", wrong) + weights[8:]),
        st.binary(max_size=300),
    )


def _architecture() -> Architecture:
    target = BudgetedTarget(
        runtime="litert", threads=1, batch=1, delegate="xnnpack", budget_ms=3.0, predicted_ms=2.5,
        anchors=[Anchor(ops=_OPS, ms=2.0)],
    )  # fmt: skip
    return Architecture(_SPACE, tuple(_OPS), target)


def _table() -> Any:
    def rows(specs: Any) -> list[Row]:
        return [Row.of(spec, ms=layer_cost(spec).macs / 1e6, source="measured", n=5, iqr=0.1) for spec in specs]

    return LatencyTable(
        device={"name": "local"},
        runtime=RuntimeInfo(name="litert", version="1", threads=1, delegate="xnnpack"),
        space=SpaceInfo.of(_SPACE),
        fixed=rows(_SPACE.fixed),
        rows=rows(spec for spec in _SPACE.specs() if spec not in _SPACE.fixed),
        anchors=[Anchor(ops=_OPS, ms=2.0)],
        created="2026-11-22",
    ).model_dump(mode="json", by_alias=True, exclude_none=True)


def _preprocess() -> Any:
    files = {"model.onnx": FileInput(layout="NCHW"), "model.int8.tflite": FileInput(layout="NHWC", dtype="int8")}
    third = (0.5, 0.4, 0.3)
    return Preprocess(size=(32, 32), mean=third, std=third, files=files).model_dump(mode="json")


def _pipeline() -> Any:
    settings = PipelineSettings(
        output=Path("runs"), space_args={"resolution": 32}, compare=[ProfileSettings(threads=2)]
    )
    return settings.model_dump(mode="json")


def _run_config() -> Any:
    values = {**_LEARNS, "limits": {"max_params": 1e6}, "targets": [{"table": "litert", "budget_ms": 3.0}]}
    return RunConfig.model_validate({**values, "search": {}}).model_dump(mode="json")


def _train_config() -> Any:
    return TrainConfig.model_validate({**_LEARNS, "ops": _OPS, "train": {}}).model_dump(mode="json")


def _use_architecture(folder: Path) -> None:
    found = Architecture.load(folder / "a.json")
    json.dumps([found.document(), found.cost.macs, list(map(str, found.layers))])


def _use_table(folder: Path) -> None:
    table = LatencyTable.load(folder / "a.json")
    json.dumps([table.model_dump(mode="json"), table.label])
    table.costs(_SPACE).check_budget(1.0)


def _use_preprocess(folder: Path) -> None:
    found = Preprocess.load(folder / "a.json")
    for name in found.files:
        json.dumps(found.of_file(name).model_dump(mode="json"))


def _use_configuration(folder: Path) -> None:
    settings = read_yaml(folder / "a.yaml", PipelineSettings)
    build_space(settings.space, settings.space_args)


def _use_training(folder: Path) -> None:
    read_yaml(folder / "a.yaml", TrainConfig)


def _use_result(folder: Path) -> None:
    result = load_result(folder)
    space = result.build_space()
    result.derive([params_bound(space, 1e9)])
