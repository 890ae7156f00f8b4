"""What `pip install proxyless` brings is enough to search and train; what else is needed is named with its extra."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from latency.table import LatencyTable, RuntimeInfo
from proxyless.errors import InputError
from proxyless.extras import missing, require
from proxyless.space import Anchor, tiny_fixed
from tests.helpers import table_by_macs

_ROOT = Path(__file__).parents[1]
_OURS = ("proxyless", "latency", "export")
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "_tools": "mnn",
    "google": "protobuf",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""By the name that is imported, where it is another than that which is installed."""

_INSTEAD = {"tflite_runtime", "triton"}
"""What a device may have in place of a package that an extra brings, and what comes with PyTorch for CUDA."""


def _distributions(lines: Sequence[str]) -> set[str]:
    return {re.split(r"[<>=;\[ ]", line)[0].lower().replace("-", "_") for line in lines} - {"proxyless"}


_BASE = _distributions(_PROJECT["dependencies"])
_EXTRAS = {name: _distributions(lines) for name, lines in _PROJECT["optional-dependencies"].items() if name != "dev"}


def _distribution(package: str) -> str:
    return _DISTRIBUTIONS.get(package, package).lower().replace("-", "_")


def _imported(nodes: Sequence[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _when_loaded(node: ast.AST) -> Iterator[ast.AST]:
    """What is executed when a file is imported: neither the insides of functions nor what is for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _when_loaded(child)


def _file(module: str) -> Path | None:
    place = _ROOT / module.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _third_party(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {*_OURS, "__future__"}


def _reached(start: set[str]) -> set[str]:
    """All modules that are imported with some of ours; others' by name."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        parents = {module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1)}
        for name in {module, *parents} - found:
            found.add(name)
            path = _file(name) if name.split(".")[0] in _OURS else None
            waiting += _imported(list(_when_loaded(ast.parse(path.read_text())))) if path else []
    return found


def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for top in _OURS for path in (_ROOT / top).rglob("*.py")}


def test_every_import_is_of_a_dependency_or_of_an_extra() -> None:
    known = _BASE.union(*_EXTRAS.values())
    for path, tree in _trees().items():
        packages = _third_party(_imported(list(ast.walk(tree))))
        assert {_distribution(package) for package in packages - _INSTEAD} <= known, path


@pytest.mark.parametrize("command", ["main", "search", "train", "derive", "compare", "spaces"])
def test_training_imports_only_what_comes_with_the_project(command: str) -> None:
    path = _ROOT / "proxyless" / "cli" / f"{command}.py"
    reached = _reached(_imported(list(ast.walk(ast.parse(path.read_text())))))
    packages = _third_party(reached)
    assert command == "spaces" or {"proxyless.config", "pydantic", "typer"} <= reached
    assert {_distribution(package) for package in packages} <= _BASE, packages


def test_a_checkout_runs_without_being_installed() -> None:
    hidden = (
        "import importlib.metadata as m; real = m.version; m.version = lambda name: real(name.replace('prox', '?'))"
    )
    made_by = "from proxyless.environment import Environment; print(Environment.now().proxyless)"
    done = subprocess.run([sys.executable, "-c", f"{hidden}; {made_by}"], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (version("proxyless"), "")


def test_what_is_missing_is_named_with_its_extra() -> None:
    assert missing(["json", "nothing_like_it", "nothing_like_it.at_all", "nothing_like_it"]) == [
        "nothing_like_it",
        "nothing_like_it.at_all",
    ]
    require("this", "that", ["json", "torch"])
    with pytest.raises(InputError) as caught:
        require("this", "that", ["json", "no_1", "no_2"])
    assert str(caught.value) == (
        "this needs the packages no_1, no_2, which are not installed here; "
        'install them with: pip install "proxyless[that]"'
    )


_SHORT = "--epochs 1 --warmup-epochs 0 --limit 200 --device cpu"
_WORK = {
    "search": "search --space tiny-fixed --data digits --table table.json --budget 60% "
    f"--batch-size 16 -o run {_SHORT}",
    "derive": "derive run --budget 50% --budget 70% --candidates 2 -o gallery",
    "train": f"train run --data digits -o trained --batch-size 16 {_SHORT}",
    "compare": f"compare run --nets 2 --seeds 1 --batch-size 16 -o compared {_SHORT}",
    "spaces": "spaces tiny",
    "tables": "tables table.json",
}
_REFUSED = {
    "profile --space tiny-fixed --runtime litert -o new.json": (
        "the runtime 'litert' needs the packages ai_edge_litert, flatbuffers",
        "litert",
    ),
    "profile --space tiny-fixed --runtime litert --dtype int8 -o new.json": (
        "the runtime 'litert' needs the packages ai_edge_litert, flatbuffers, ai_edge_quantizer",
        "litert",
    ),
    "profile --space tiny-fixed --runtime onnxruntime -o new.json": (
        "the runtime 'onnxruntime' needs the packages onnxruntime, onnx",
        "onnx",
    ),
    "profile --space tiny-fixed --runtime onnxruntime --device ssh://nowhere -o new.json": (
        "the runtime 'onnxruntime' needs the package onnx",
        "onnx",
    ),
    "profile --space tiny-fixed --runtime mnn -o new.json": ("the runtime 'mnn' needs the packages MNN, onnx", "mnn"),
    "export trained --format onnx -o model": (
        "writing onnx needs the packages onnx, onnxruntime, onnxscript",
        "onnx",
    ),
    "export trained --format tflite -o model": (
        "writing tflite needs the packages ai_edge_litert, ai_edge_quantizer, flatbuffers, litert_torch",
        "litert",
    ),
    "derive run --measure -o measured": (
        "the runtime 'litert' needs the packages ai_edge_litert, flatbuffers",
        "litert",
    ),
    "bench model.onnx": ("the runtime 'onnxruntime' needs the package onnxruntime", "onnx"),
    "predict model.tflite table.json": ("the runtime 'litert' needs the package ai_edge_litert", "litert"),
    "report run": ("a report needs the packages jinja2, markupsafe, plotly", "report"),
    "tables table.json --plot pictures": ("--plot needs the package matplotlib", "report"),
    "run run.yaml": ("a report needs the packages jinja2, markupsafe, plotly", "report"),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Exit code and standard error of all commands, run one after the other without the packages of any extra."""
    folder = tmp_path_factory.mktemp("without-extras")
    _table().save(folder / "table.json")
    for name in ("model.onnx", "model.tflite"):
        (folder / name).write_bytes(b"not empty")
    (folder / "run.yaml").write_text("output: all\ntarget: {runtime: torch}\n")
    imported = set().union(*(_imported(list(ast.walk(tree))) for tree in _trees().values()))
    optional = {package for package in _third_party(imported) if _distribution(package) not in _BASE}
    hidden = sorted(optional.union(*_EXTRAS.values()))
    arguments = [line.split() for line in (*_WORK.values(), *_REFUSED)]
    program = [sys.executable, "-P", str(Path(__file__).with_name("without_extras.py"))]
    command = [*program, json.dumps(hidden), json.dumps(arguments)]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return dict(zip([*_WORK, *_REFUSED], json.loads(output.stdout), strict=True))


def _table() -> LatencyTable:
    """A table as if it had been measured here: nothing but missing packages is in the way of measuring again."""
    space = tiny_fixed(num_classes=10)
    anchor = Anchor(ops=[layer.choices[0] for layer in space.decisions], ms=1.0)
    runtime = RuntimeInfo(name="litert", version="ai-edge-litert 2.3.0", threads=1, delegate="xnnpack")
    return table_by_macs(space).changed(device={"name": "local"}, runtime=runtime, anchors=[anchor])


@pytest.mark.slow
@pytest.mark.parametrize("name", _WORK)
def test_a_machine_that_trains_needs_no_extra(name: str, ended: dict[str, dict[str, Any]]) -> None:
    assert ended[name]["code"] == 0, ended[name]["error"]
    assert ("pareto.png" in ended[name]["error"]) == (name == "derive")


@pytest.mark.slow
@pytest.mark.parametrize("command", _REFUSED)
def test_work_whose_packages_are_missing_is_refused_before_it_begins(
    command: str, ended: dict[str, dict[str, Any]]
) -> None:
    sentence, extra = _REFUSED[command]
    assert ended[command]["code"] == 2, ended[command]["error"]
    assert re.fullmatch(
        rf"error: {re.escape(sentence)}, which (is|are) not installed here; "
        rf'install (it|them) with: pip install "proxyless\[{extra}\]"\n',
        ended[command]["error"],
    ), ended[command]["error"]
