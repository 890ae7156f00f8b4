"""The example package, installed: its space, operator and runtime work like ours; and one that cannot be imported."""

import json
import os
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
from latency.runtimes import find_runtime
from latency.writers.graph import lower
from proxyless.space import build_space
from tests.helpers import deployable, folded_weights, random_images

space = build_space("bottlenecks", {"num_classes": 3})
layers = space.network([layer.choices[0] for layer in space.decisions])
network, runtime, images = deployable(layers), find_runtime("onnx-reference"), random_images(1, 32)
runtime.writer_of("float32")(lower(layers, folded_weights(network)), Path("network.onnx"))
spec = importlib.util.spec_from_file_location("runner", runtime.runner)
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
run, feed, result, shape, dtype = runner.load("network.onnx", 1, "cpu", 1)
feed(images); run()
with torch.no_grad():
    print(json.dumps({"error": float(np.abs(result() - network(torch.from_numpy(images)).numpy()).max())}))
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
def test_the_example_adds_a_space_an_operator_and_a_runtime(site: Path, tmp_path: Path) -> None:
    listed = _run(tmp_path, site, "-m", "proxyless.cli.main", "spaces", "--json")
    spaces = {space["name"]: space for space in json.loads(listed.stdout)}
    assert {"mobile-fixed", "bottlenecks"} <= spaces.keys()
    assert spaces["bottlenecks"]["layers"][1] == ["k3e0.25", "k5e0.25", "k3e0.5", "k5e0.5", "skip"]
    checked = _run(tmp_path, site, "-c", _CHECK)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["error"] < 1e-5
    command = "profile --space tiny-fixed --runtime tvm -o table.json"
    refused = _run(tmp_path, site, "-m", "proxyless.cli.main", *command.split())
    assert refused.returncode == 2 and "onnx-reference" in refused.stderr


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[proxyless.spaces]\nlost = nowhere:lost\n")
    done = _run(tmp_path, tmp_path, "-m", "proxyless.cli.main", "spaces")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the space 'lost' of another package (nowhere:lost) cannot be imported: No module named 'nowhere'" in (
        " ".join(done.stderr.split())
    )
