"""Exported files against PyTorch, and the directly written models against what the exporters produce."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from export import FORMATS, convert_all, failed, find_formats, verify
from export.bundle import staged, write_report
from export.format import Format
from latency.runtimes import find_runtime
from latency.writers.graph import lower
from proxyless.errors import InputError
from proxyless.nn import save_weights
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights, random_images

_INSTALLED = [
    pytest.param(
        format_,
        id=name,
        marks=pytest.mark.skipif(
            name == "tflite" and importlib.util.find_spec("litert_torch") is None,
            reason="litert-torch is not installed",
        ),
    )
    for name, format_ in FORMATS.items()
]
_NETWORK = architecture(MIXED_OPS)
_STRIDED = sum(spec.stride > 1 for spec in _NETWORK.layers)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    folder = tmp_path_factory.mktemp("export")
    network = deployable(_NETWORK.layers)
    save_weights(folder / "weights.safetensors", network)
    have_tflite = importlib.util.find_spec("litert_torch") is not None
    convert_all(
        find_formats(["onnx", "tflite"] if have_tflite else ["onnx"]), _NETWORK, folder / "weights.safetensors", folder
    )
    return folder, network


@pytest.mark.parametrize("format_", _INSTALLED)
def test_a_file_does_what_pytorch_does(format_: Format, exported: tuple[Path, torch.nn.Module]) -> None:
    folder, network = exported
    images = random_images(40, 32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    report = verify(format_, folder / format_.file_name, images, expected.argmax(1), expected, _STRIDED)
    assert failed(report.checks) == []
    assert report.max_abs_error < 1e-5 * np.abs(expected).max()
    assert report.top1_agreement == report.accuracy == 1.0


@pytest.mark.parametrize("format_", _INSTALLED)
def test_a_directly_written_model_is_the_exported_one(
    format_: Format, exported: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    folder, network = exported
    runtime = find_runtime(format_.runtime)
    direct = tmp_path / f"direct{runtime.suffix}"
    runtime.writer()(lower(_NETWORK.layers, folded_weights(network), batch=1), direct)
    assert format_.operators(direct) == format_.operators(folder / format_.file_name)
    images = random_images(8, 32)
    by_export = format_.run(folder / format_.file_name, images)
    if format_.name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(direct)
        by_hand = np.concatenate([session.run(None, {"t0": image[None]})[0] for image in images])
    else:
        by_hand = format_.run(direct, images)
    np.testing.assert_allclose(by_hand, by_export, atol=2e-6 * np.abs(by_export).max())


def test_onnx_has_a_dynamic_batch_and_no_notes_of_the_machine(exported: tuple[Path, torch.nn.Module]) -> None:
    import onnx

    model = onnx.load(exported[0] / "model.onnx")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert str(Path(__file__).parents[2]).encode() not in (exported[0] / "model.onnx").read_bytes()
    assert "BatchNormalization" not in Counter(node.op_type for node in model.graph.node)


def test_a_wrong_file_fails_its_checks_by_name(exported: tuple[Path, torch.nn.Module]) -> None:
    folder, network = exported
    images = random_images(20, 32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    report = verify(FORMATS["onnx"], folder / "model.onnx", images, expected.argmax(1), -expected, _STRIDED)
    assert [check.name for check in failed(report.checks)] == [
        "model.onnx: largest error of a logit",
        "model.onnx: same top class as PyTorch",
    ]


def test_an_export_replaces_the_previous_one_only_when_it_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with staged(target) as stage:
        write_report(stage, {"version": 1})
    with pytest.raises(RuntimeError, match="stop"), staged(target) as stage:
        write_report(stage, {"version": 2})
        raise RuntimeError("stop")
    assert '"version": 1' in (target / "report.json").read_text()
    with staged(target) as stage:
        write_report(stage, {"version": 3})
    assert '"version": 3' in (target / "report.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds 'thesis\\.txt', which is not of an export"), staged(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_unknown_format() -> None:
    with pytest.raises(InputError, match="unknown format 'coreml'; choose of onnx, tflite"):
        find_formats(["coreml"])
