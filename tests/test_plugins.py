"""The example package, installed: what it adds works like ours; and packages that cannot be imported."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_CHECK = """
import importlib.util, json
from pathlib import Path
import numpy as np, torch
from export.formats import find_formats
from latency.devices import Job, find_device
from latency.runtimes import find_runtime
from latency.writers.graph import lower
from proxyless.space import build_space
from tests.helpers import deployable, folded_weights, random_images

space = build_space("bottlenecks", {"num_classes": 3})
layers = space.network([layer.choices[number % 2 * 4] for number, layer in enumerate(space.decisions)])
assert [spec.op for spec in layers[1:-2]] == ["bottleneck", "partial"] * 2
network, runtime, images = deployable(layers), find_runtime("onnx-reference"), random_images(1, 32)
runtime.writer_of("float32")(lower(layers, folded_weights(network)), Path("network.onnx"))
spec = importlib.util.spec_from_file_location("runner", runtime.runner)
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
run, feed, result, shape, dtype = runner.load("network.onnx", 1, "cpu", 1)
feed(images); run()
with torch.no_grad():
    expected = network(torch.from_numpy(images)).numpy()
(format_,), path = find_formats(["onnx-reference"]), Path("network.onnxref")
format_.tools.convert(network, 32, path)
events = []
items, schedule = {"network": Path("network.onnx")}, ((0, "network"),)
find_device("desk:left").run(Job(runtime.runner, items, schedule), events.append)
print(json.dumps({
    "written": float(np.abs(result() - expected).max()),
    "exported": float(np.abs(format_.tools.load(path)(images) - expected).max()),
    "timed": [event["id"] for event in events if event["event"] == "sample"],
}))
"""

_INVOKE = """
import json, sys
from typer.testing import CliRunner
from proxyless.cli.main import app
results = [CliRunner().invoke(app, command.split()) for command in json.loads(sys.argv[1])]
print(json.dumps([[result.exit_code, " ".join(result.stderr.split())] for result in results]))
"""
_WITH = "search --space tiny --data digits --table pixel1 --budget 60% -o run "
_REFUSED = [
    ("profile --space tiny --runtime tvm -o table.json", "onnx-reference"),
    ("profile --space tiny --device pi -o table.json", "adb:SERIAL, desk:..."),
    ("profile --space tiny --device desk: -o table.json", "write desk:PLACE"),
    (_WITH + "--strategy climbing --patience 0", "patience: Input should be greater than or equal to 1 (got 0)"),
    (_WITH + "--strategy climbing --gates all", "'gates' is a setting of the strategy gradient, not of climbing"),
    (_WITH + "--patience 2", "'patience' is a setting of the strategy climbing, not of gradient"),
    (_WITH + "--strategy magic", "random, evolution, predictor, climbing"),
    ("export . --format coreml -o model", "onnx, tflite, onnx-reference"),
    ("predict model.tvm image.png", ".tflite or .onnxref"),
]
"""Commands with a name that is not known, and what the choices have of the example."""

_SEARCH = """
import json
from pathlib import Path
from typer.testing import CliRunner
from proxyless.cli.main import app
from proxyless.space import tiny
from tests.helpers import table_by_macs

table_by_macs(tiny(resolution=16)).save(Path("table.json"))
search = "search --space tiny --data synthetic:200 --table table.json --budget 60% --strategy climbing --patience 3 "
search += "--evaluations 6 --warmup-epochs 0 --epochs 1 --batch-size 16 --device cpu --json -o run"
done = [CliRunner().invoke(app, command.split()) for command in (search, search + " --resume")]
assert [each.exit_code for each in done] == [0, 0], done[0].stderr + done[1].stderr
shown = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "120"}).stdout
shown = " ".join(shown.replace("│", " ").split())
print(json.dumps([Path("run/config.yaml").read_text(), shown, done[0].stdout == done[1].stdout]))
"""


def _run(folder: Path, site: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{_ROOT}"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example, built and installed from a copy."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(_ROOT / "examples" / "plugin", folder / "source")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(folder / "source")], check=True)
    return folder / "site"


@pytest.mark.slow
def test_the_example_adds_a_space_an_operator_a_runtime_a_device_and_a_format(site: Path, tmp_path: Path) -> None:
    listed = _run(tmp_path, site, "-m", "proxyless.cli.main", "spaces", "--json")
    spaces = {space["name"]: space for space in json.loads(listed.stdout)}
    assert {"mobile-fixed", "bottlenecks"} <= spaces.keys()
    assert spaces["bottlenecks"]["decisions"]["stage1.block2"] == [
        "k3e0.25",
        "k5e0.25",
        "k3e0.5",
        "k5e0.5",
        "partial",
        "skip",
    ]
    checked = _run(tmp_path, site, "-c", _CHECK)
    assert checked.returncode == 0, checked.stderr
    found = json.loads(checked.stdout.splitlines()[-1])
    assert found["written"] < 1e-5 and found["exported"] < 1e-5 and found["timed"] == ["network"]


@pytest.mark.slow
def test_the_examples_own_tests_pass(site: Path) -> None:
    done = _run(site.parent / "source", site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests")
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 20


@pytest.mark.slow
def test_what_the_example_adds_is_among_the_choices(site: Path, tmp_path: Path) -> None:
    for name in ("model.tvm", "image.png"):
        (tmp_path / name).touch()
    done = _run(tmp_path, site, "-c", _INVOKE, json.dumps([command for command, _ in _REFUSED]))
    assert done.returncode == 0, done.stderr
    for (code, said), (_, name) in zip(json.loads(done.stdout), _REFUSED, strict=True):
        assert code == 2 and name in said


@pytest.mark.slow
def test_the_examples_strategy_searches_with_a_setting_of_its_own(site: Path, tmp_path: Path) -> None:
    done = _run(tmp_path, site, "-c", _SEARCH)
    assert done.returncode == 0, done.stderr
    config, shown, same = json.loads(done.stdout.splitlines()[-1])
    assert "  strategy: climbing\n" in config and "  patience: 3\n" in config and same
    assert "gradient, reinforce, gumbel, darts, random, evolution, predictor, climbing" in shown
    assert "Only with --strategy climbing" in shown and "--patience" in shown


@pytest.mark.parametrize(
    ("kind", "group", "command"),
    [
        ("space", "spaces", "spaces"),
        ("strategy", "strategies", _WITH + "--strategy lost"),
        ("device", "devices", "profile --space tiny --device lost:1 -o table.json"),
        ("format", "formats", "export . --format lost -o model"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(kind: str, group: str, command: str, tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[proxyless.{group}]\nlost = nowhere:lost\n")
    done = _run(tmp_path, tmp_path, "-m", "proxyless.cli.main", *command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the {kind} 'lost' of another package (nowhere:lost) cannot be imported: No module named 'nowhere'" in (
        " ".join(done.stderr.split())
    )
