"""Files of other dtypes than float32: what is tried, what is kept, and what they compute."""

import importlib.util
import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.checks import Check, Expected, failed
from export.format import ModelFile
from export.formats import find_formats
from export.ladder import quantize
from export.settings import ExportSettings
from export.verify import Reference, verify
from latency.runtimes import find_runtime
from latency.writers.graph import lower, random_weights
from latency.writers.onnx import write_onnx
from proxyless.data import Batches, load_data
from proxyless.errors import InputError
from proxyless.train.config import TrainSettings
from proxyless.train.trained import load_trained
from proxyless.workflow.export import export, left_out
from proxyless.workflow.train import train
from tests.helpers import MIXED_OPS, architecture

_FORMATS = ["onnx", "tflite"] if importlib.util.find_spec("litert_torch") is not None else ["onnx"]
_CPU = torch.device("cpu")

pytestmark = pytest.mark.slow
_NETWORK = architecture("k3e3 skip k5e3 k3e3 skip k3e3 skip skip k3e3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Well enough that rounding does not change what it says: after two epochs some processors lose 12 points."""
    folder = tmp_path_factory.mktemp("trained")
    train(_NETWORK, "digits", folder, TrainSettings(epochs=6, warmup_epochs=3, device="cpu"))
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "model"
    export(trained, folder, _FORMATS, settings=ExportSettings(int8=True, float16=True, max_int8_loss=2.0))
    return folder


def test_every_file_of_a_trained_network_passes_every_check(exported: Path) -> None:
    report = json.loads((exported / "report.json").read_text())
    dtypes = [entry["dtype"] for entry in report["files"].values()]
    assert dtypes == ["float32"] * len(_FORMATS) + ["int8"] * len(_FORMATS) + ["float16"] * (len(_FORMATS) - 1)
    assert all(check["passed"] for check in report["checks"]) and not report["left_out"]
    sizes = {name: entry["size_bytes"] for name, entry in report["files"].items()}
    for name in _FORMATS:
        assert 0.2 < sizes[f"{name}-int8"] / sizes[name] < 0.55  # a small network: names and scales weigh
        assert report["files"][f"{name}-int8"]["loss_points"] <= 2.0


def test_an_int8_file_computes_in_integers_throughout(exported: Path) -> None:
    for format_ in find_formats(_FORMATS):
        structure = format_.tools.structure(exported / ModelFile(format_, "int8").file_name)
        assert structure.float_layers == 0
        assert structure.delegated in (True, None)


@pytest.mark.parametrize("name", _FORMATS)
def test_a_file_that_is_float_at_its_ends_passes_too(name: str, trained: Path, exported: Path, tmp_path: Path) -> None:
    (format_,) = find_formats([name])
    data = load_data("digits", 32)
    images = np.concatenate([part.contiguous().numpy() for part, _ in Batches(data, data.test, 50, _CPU).ordered()])
    network = load_trained(trained).network
    with torch.no_grad():
        logits = network(torch.from_numpy(images)).numpy()
    recipe = next(entry for entry in format_.tools.recipes["int8"] if entry.float_layers)
    path = tmp_path / ModelFile(format_, "int8").file_name
    recipe.make(exported / ModelFile(format_).file_name, path, images[:40])
    reference = Reference(lambda: iter([images]), logits.argmax(1), logits)
    report = verify(ModelFile(format_, "int8"), path, reference, Expected.of(_NETWORK.layers), recipe.name, 10.0)
    assert failed(report.checks) == []
    assert format_.tools.structure(path).float_layers == 2


@pytest.mark.parametrize("count", [3, 20])
def test_any_number_of_images_calibrates_by_histograms(count: int, tmp_path: Path) -> None:
    (format_,) = find_formats(["onnx"])
    write_onnx(lower(_NETWORK.layers, random_weights()), tmp_path / "fixed.onnx")
    model = onnx.load(tmp_path / "fixed.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"  # as exported files have it
    onnx.save(model, tmp_path / "float.onnx")
    images = np.random.default_rng(0).standard_normal((count, 3, 32, 32), np.float32)
    recipe = next(entry for entry in format_.tools.recipes["int8"] if entry.name == "percentile")
    recipe.make(tmp_path / "float.onnx", tmp_path / "int8.onnx", images)
    assert format_.tools.structure(tmp_path / "int8.onnx").float_layers == 0


def _reference(logits: np.ndarray) -> Reference:
    images = np.zeros((len(logits), 3, 32, 32), np.float32)
    return Reference(lambda: iter([images]), logits.argmax(1), logits)


def test_recipes_are_tried_in_order_until_one_loses_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (format_,) = find_formats(["onnx"])
    names = [recipe.name for recipe in format_.tools.recipes["int8"]]
    passes = iter([False, False, True])
    made: list[str] = []

    def make(file: ModelFile, recipe: str, source: Path, target: Path, images: np.ndarray) -> None:
        made.append(recipe)
        target.write_bytes(b"int8")

    monkeypatch.setattr("export.ladder.make_file", make)
    monkeypatch.setattr("export.ladder.evaluate", lambda *_: np.zeros((1, 2)))
    monkeypatch.setattr("export.ladder.numeric_checks", lambda *_: [Check("agreement", next(passes), 0.5, 0.9)])
    file = ModelFile(format_, "int8")
    found = quantize(file, tmp_path, np.zeros((1, 3, 32, 32), np.float32), _reference(np.ones((1, 2))), 1.0)
    assert found.kept and made == names[:3] and found.recipe == names[2]
    assert (tmp_path / file.file_name).exists()
    passes = iter([False] * len(names))
    found = quantize(file, tmp_path, np.zeros((1, 3, 32, 32), np.float32), _reference(np.ones((1, 2))), 1.0)
    assert not found.kept and [attempt.recipe for attempt in found.attempts] == names
    assert {attempt.failed for attempt in found.attempts} == {("agreement: FAILED (0.5, limit 0.9)",)}
    assert not (tmp_path / file.file_name).exists()


def test_a_bad_int8_file_is_left_out_and_the_float_file_stays(
    trained: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(*arguments: object) -> None:
        """The network was converted before."""
        shutil.copy(exported / "model.onnx", Path(str(arguments[-1])))

    def make(file: ModelFile, recipe: str, source: Path, target: Path, images: np.ndarray) -> None:
        """A file that has lost everything: all of its weights are zero."""
        model = onnx.load(source)
        for tensor in model.graph.initializer:
            if tensor.name.endswith("weight"):
                tensor.CopyFrom(onnx.numpy_helper.from_array(0 * onnx.numpy_helper.to_array(tensor), tensor.name))
        onnx.save(model, target)

    monkeypatch.setattr(import_module("proxyless.workflow.export"), "convert_all", convert)
    monkeypatch.setattr("export.ladder.make_file", make)
    report = export(trained, tmp_path / "model", ["onnx"], settings=ExportSettings(int8=True))
    message = left_out(report)
    assert message is not None and "model.int8.onnx (range: " in message and "accuracy lost: FAILED" in message
    assert (tmp_path / "model" / "model.onnx").exists() and not (tmp_path / "model" / "model.int8.onnx").exists()


@pytest.mark.parametrize("name", ["onnxruntime", "litert"])
def test_a_directly_written_int8_model_has_the_layers_of_the_float_one(name: str, tmp_path: Path) -> None:
    runtime = find_runtime(name)
    (format_,) = [entry for entry in find_formats(["onnx", "tflite"]) if entry.runtime == name]
    network = architecture(MIXED_OPS)
    paths = {dtype: tmp_path / f"{dtype}{runtime.suffix}" for dtype in runtime.dtypes}
    for dtype, path in paths.items():
        runtime.writer_of(dtype)(lower(network.layers, random_weights()), path)
    real, integer = (format_.tools.structure(path) for path in paths.values())
    assert (real.convolutions, real.depthwise) == (integer.convolutions, integer.depthwise)
    assert integer.float_layers == 0 < real.float_layers
    assert paths["int8"].stat().st_size < 0.6 * paths["float32"].stat().st_size
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(path.name for path in paths.values())


def test_dtypes_that_are_written() -> None:
    assert ExportSettings().dtypes("float32") == []
    assert ExportSettings().dtypes("int8") == ["int8"]
    assert ExportSettings(int8=False, float16=True).dtypes("int8") == ["float16"]
    with pytest.raises(InputError, match="runtime 'ncnn' has no dtype 'int8'; choose of float32"):
        find_runtime("ncnn").check_dtype("int8")
