"""A network of torch modules as users have them: searched, trained, exported in float32 and int8, and given away."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from export.formats import FORMATS
from export.settings import ExportSettings
from latency.runtimes import RUNTIMES
from latency.writers.graph import lower
from proxyless.search.config import SearchSettings
from proxyless.space import Architecture, LayerSpec, declared_space
from proxyless.testing.problems import table_by_macs
from proxyless.train.config import TrainSettings
from proxyless.workflow.export import export
from proxyless.workflow.search import search
from proxyless.workflow.train import train
from tests.helpers import deployable, folded_weights

_HERE = "proxyless.testing.modules:"
_GHOST, _SHUFFLE = {"op": f"{_HERE}Ghost", "expand": 2}, {"op": f"{_HERE}ShuffleUnit"}
_RESIDUAL = {"op": f"{_HERE}Residual", "se": 0.5, "act": "relu"}
_SPACE = {
    "name": "theirs",
    "resolution": 16,
    "num_classes": 10,
    "stem": {"width": 16},
    "stages": [
        {"width": [16, 24], "stride": 2, "ops": {"ghost": _GHOST, "ours": {"expand": 2}}},
        {"width": 32, "ops": {"residual": _RESIDUAL, "ghost": _GHOST}},
        {"width": 32, "stride": 2, "ops": {"shuffle": _SHUFFLE}},
    ],
    "head": {"width": 256},
}
_LOADED = """
import sys
from model import load
assert not any(name.split(".")[0] == "proxyless" for name in sys.modules)
print(sum(parameter.numel() for parameter in load().parameters()))
"""


@pytest.mark.slow
def test_it_is_searched_trained_exported_and_given_away(tmp_path: Path) -> None:
    space = declared_space(_SPACE)
    settings = SearchSettings.make("test", warmup_epochs=1, epochs=1, batch_size=16, limit=200)
    found = search(space, "synthetic:200", table_by_macs(space), "80%", tmp_path / "run", settings)
    assert found.ops[1] in ("ghost", "ours") and found.ops[3] == "shuffle"
    trained, folder = tmp_path / "trained", tmp_path / "model"
    network = Architecture(space, found.ops)  # such a short search says nothing for it
    train(network, "synthetic:200", trained, TrainSettings(epochs=16, batch_size=16, device="cpu"))
    export(trained, folder, settings=ExportSettings(int8=True, max_int8_loss=10))  # 100 images
    files = {path.name for path in folder.iterdir()}
    assert {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite", "model.py"} <= files
    checks = json.loads((folder / "report.json").read_text())["files"]
    assert checks
    done = subprocess.run([sys.executable, "-c", _LOADED], cwd=folder, capture_output=True, text=True, check=True)
    assert int(done.stdout) == found.cost.params


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("op", ["Ghost", "Residual"])
def test_what_is_profiled_has_the_operators_of_what_is_exported(name: str, op: str, tmp_path: Path) -> None:
    layer = LayerSpec(_HERE + op, (8, 8, 16), (8, 8, 16), 3, residual=True, act="relu", se=8)
    layers = [
        LayerSpec("conv", (16, 16, 3), (8, 8, 16), 3, stride=2),
        layer,
        LayerSpec("classifier", (8, 8, 16), (1, 1, 4)),
    ]
    network, format_ = deployable(layers), FORMATS[name]
    exported, written = (tmp_path / f"{way}{format_.suffix}" for way in ("exported", "written"))
    format_.tools.convert(network, 16, exported)
    RUNTIMES[format_.runtime].writer_of("float32")(lower(layers, folded_weights(network)), written)
    assert format_.tools.structure(written).operators == format_.tools.structure(exported).operators
