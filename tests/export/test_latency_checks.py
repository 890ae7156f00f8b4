"""The budget and the prediction, held against a file's latency."""

import pytest

from export.checks import failed
from export.format import ModelFile
from export.formats import FORMATS
from latency.deployed import DeployedLatency
from proxyless.space import Architecture, BudgetedTarget
from proxyless.workflow import export_latency
from proxyless.workflow.export import remarks
from proxyless.workflow.export_latency import find_places, measure_all
from tests.helpers import MIXED_OPS, architecture

_FLOAT, _INT8 = ModelFile(FORMATS["onnx"]), ModelFile(FORMATS["onnx"], "int8")


@pytest.mark.parametrize(
    ("dtype", "measured_before_ms", "margin", "found_ms", "broken"),
    [
        ("float32", None, 0.1, 1.05, []),
        ("float32", None, 0.1, 1.15, ["model.onnx: latency above what was predicted before"]),
        ("float32", 1.1, 0.01, 1.15, []),
        ("float32", 1.0, 0.01, 1.07, ["model.onnx: latency above what was measured before"]),
        ("float32", 1.3, 0.1, 1.35, ["model.onnx: latency at the speed of the profile"]),
        ("int8", None, 0.1, 1.15, ["model.int8.onnx: latency above what was predicted before"]),
    ],
)
def test_the_file_of_the_target_keeps_budget_and_prediction(
    dtype: str,
    measured_before_ms: float | None,
    margin: float,
    found_ms: float,
    broken: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = BudgetedTarget(
        runtime="onnxruntime",
        threads=1,
        batch=1,
        delegate="cpu",
        dtype=dtype,
        budget_ms=1.2,
        predicted_ms=1.0,
        measured_ms=measured_before_ms,
        margin=margin,
    )
    network = Architecture(architecture(MIXED_OPS).space, architecture(MIXED_OPS).ops, target)
    # The machine is twice as slow as when it was profiled.
    monkeypatch.setattr(
        export_latency,
        "measure_files",
        lambda files, *_, **__: dict.fromkeys(files, DeployedLatency(2 * found_ms, 0.1, 2.0)),
    )
    found = measure_all({_FLOAT: None, _INT8: None}, find_places(["onnxruntime"], network))  # type: ignore[dict-item]
    checks = {file: [check.name for check in failed(latency.checks)] for file, latency in found.items()}
    mine = _INT8 if dtype == "int8" else _FLOAT
    assert checks.pop(mine) == broken and checks.popitem()[1] == []
    assert [latency.is_target for latency in found.values()] == [file == mine for file in found]


def test_a_file_that_is_slower_than_the_float_one_is_said_to_be() -> None:
    def file(name: str, dtype: str, ms: float, runtime: str = "litert", place: str = "local") -> dict[str, object]:
        return {"file": name, "dtype": dtype, "measured_ms": ms, "runtime": runtime, "measured_on": place}

    slow = file("model.int8.tflite", "int8", 27.2)
    files = [
        file("model.tflite", "float32", 7.6),
        slow,
        file("model.float16.tflite", "float16", 7.7),
        file("model.onnx", "float32", 3.0, "onnxruntime"),
        file("model.int8.onnx", "int8", 2.0, "onnxruntime"),
    ]
    (remark,) = remarks({"files": dict(enumerate(files))})
    assert remark.startswith("model.int8.tflite takes 27.2 ms, and model.tflite 7.6 ms: here int8 saves space alone")
    assert not remarks({"files": {0: files[0] | {"measured_on": "adb:X"}, 1: slow}})  # measured on another device
