"""Exported files against PyTorch, and the directly written models against what the exporters produce."""

import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.bundle import staged
from export.checks import Expected, failed
from export.format import Format, ModelFile
from export.formats import FORMATS, find_formats
from export.verify import verify
from latency.runtimes import find_runtime
from latency.writers.graph import lower
from proxyless.errors import InputError
from proxyless.files import write_json
from proxyless.workflow.export import export
from tests.data.images import save_parquet
from tests.export.converted import IMAGES, NETWORK, Converted
from tests.helpers import folded_weights

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
_EXPECTED = Expected.of(NETWORK.layers)


@pytest.mark.slow
@pytest.mark.parametrize("format_", _INSTALLED)
def test_a_file_does_what_pytorch_does(format_: Format, converted: Converted) -> None:
    file = ModelFile(format_)
    report = verify(file, converted.path(file), converted.reference, _EXPECTED)
    assert failed(report.checks) == []
    assert report.max_abs_error < 1e-5 * np.abs(converted.reference.logits).max()
    assert report.top1_agreement == report.accuracy == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("format_", _INSTALLED)
def test_a_directly_written_model_is_the_exported_one(format_: Format, converted: Converted, tmp_path: Path) -> None:
    runtime = find_runtime(format_.runtime)
    direct, path = tmp_path / f"direct{runtime.suffix}", converted.path(ModelFile(format_))
    runtime.writer_of("float32")(lower(NETWORK.layers, folded_weights(converted.network), batch=1), direct)
    assert format_.tools.structure(direct) == format_.tools.structure(path)
    by_export, by_hand = format_.tools.load(path), format_.tools.load(direct)
    for image in IMAGES[:8]:
        expected = by_export(image[None])
        np.testing.assert_allclose(by_hand(image[None]), expected, atol=2e-6 * np.abs(expected).max())


@pytest.mark.slow
def test_onnx_has_a_dynamic_batch_and_no_notes_of_the_machine(converted: Converted) -> None:
    import onnx

    model = onnx.load(converted.folder / "model.onnx")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert str(Path(__file__).parents[2]).encode() not in (converted.folder / "model.onnx").read_bytes()
    assert "BatchNormalization" not in Counter(node.op_type for node in model.graph.node)


@pytest.mark.slow
def test_a_wrong_file_fails_its_checks_by_name(converted: Converted) -> None:
    file = ModelFile(FORMATS["onnx"])
    wrong = replace(converted.reference, logits=-converted.reference.logits)
    report = verify(file, converted.path(file), wrong, _EXPECTED)
    assert [check.name for check in failed(report.checks)] == [
        "model.onnx: largest error of a logit",
        "model.onnx: same top class as PyTorch",
    ]
    expected = replace(_EXPECTED, depthwise=_EXPECTED.depthwise + 1, parameters=10)
    report = verify(file, converted.path(file), converted.reference, expected)
    assert [check.name for check in failed(report.checks)] == [
        "model.onnx: depthwise convolutions",
        "model.onnx: size",
    ]


def test_an_export_replaces_the_previous_one_only_when_it_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with staged(target) as stage:
        write_json(stage / "report.json", {"version": 1})
    with pytest.raises(RuntimeError, match="stop"), staged(target) as stage:
        write_json(stage / "report.json", {"version": 2})
        raise RuntimeError("stop")
    assert '"version": 1' in (target / "report.json").read_text()
    with staged(target) as stage:
        write_json(stage / "report.json", {"version": 3})
    assert '"version": 3' in (target / "report.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds 'thesis\\.txt', which is not of an export"), staged(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_data_with_other_classes_than_those_trained_on_are_refused(small: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        save_parquet(tmp_path, list(range(10)) * 2, part=split, names=[*map(str, range(9)), "zebra"])
    with pytest.raises(InputError, match="has the class 'zebra', and the network has not"):
        export(small, tmp_path / "model", data=f"parquet:{tmp_path}")
    assert not (tmp_path / "model").exists()


def test_unknown_format() -> None:
    with pytest.raises(InputError, match="unknown format 'coreml'; choose of onnx, tflite"):
        find_formats(["coreml"])
