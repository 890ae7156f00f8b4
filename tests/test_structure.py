"""The architecture of the code itself: imports go one way, and the wheel holds what it should."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]

_SHARED = {
    f"proxyless.{name}"
    for name in (
        "addresses",
        "chance",
        "config",
        "environment",
        "errors",
        "extras",
        "files",
        "host",
        "lifetime",
        "ops",
        "ownership",
        "plugins",
        "processes",
        "progress",
        "seeds",
        "swap",
        "temporary",
    )
}
_TRAINING = {
    f"proxyless.{name}" for name in ("checkpoint", "estimate", "execution", "fabric", "optim", "scaling", "tuning")
}
_ALLOWED = {
    "proxyless.ops": set(),
    "proxyless.report": set(),
    "proxyless.space": set(),
    "proxyless.data": set(),
    "proxyless.nn": {"proxyless.space"},
    "export": {"proxyless.space", "proxyless.nn", "proxyless.data"},
    "latency": {"proxyless.space", "proxyless.nn", "export"},
    "proxyless.search": {"proxyless.space", "proxyless.nn", "proxyless.data"} | _TRAINING,
    "proxyless.train": {"proxyless.space", "proxyless.nn", "proxyless.data", "proxyless.search"} | _TRAINING,
}


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found - {"proxyless"} if name.split(".")[0] in ("proxyless", "latency", "export")}


@pytest.mark.parametrize("package", _ALLOWED)
def test_imports_go_one_way(package: str) -> None:
    allowed = _ALLOWED[package] | _SHARED | {package}
    for path in (_ROOT / package.replace(".", "/")).rglob("*.py"):
        for name in _imports(path):
            assert any(name == good or name.startswith(good + ".") for good in allowed), f"{path} imports {name}"


def test_what_works_needs_no_tests() -> None:
    for top in ("proxyless", "latency", "export"):
        for path in (_ROOT / top).rglob("*.py"):
            text = path.read_text()
            assert "testing" in path.parts or not re.search(r"import pytest|proxyless.testing", text), path


@pytest.mark.parametrize("module", ["proxyless.space", "proxyless.search.config"])
def test_spaces_and_settings_need_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_device_program_imports_only_numpy_and_the_standard_library() -> None:
    tree = ast.parse((_ROOT / "latency" / "devices" / "program.py").read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "numpy"}


def test_every_package_is_listed() -> None:
    listed = set(tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        str(path.parent.relative_to(_ROOT)).replace("/", ".")
        for top in ("proxyless", "latency", "export")
        for path in (_ROOT / top).rglob("__init__.py")
    }
    assert listed == found


@pytest.mark.slow
def test_the_wheel_holds_packages_and_tables_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(_ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"proxyless", "latency", "export"}
    assert "latency/tables/pixel1.json" in names and "latency/devices/program.py" in names
    assert "proxyless/py.typed" in names
    assert {f"proxyless/report/templates/{name}" for name in ("page.html.jinja", "page.css", "page.js")} <= set(names)
