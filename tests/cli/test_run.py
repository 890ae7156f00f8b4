"""`proxyless run`: the whole path on two targets of one runtime, twice."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from proxyless.cli.main import app
from tests.helpers import NO_BUDGET

_CONFIG = {
    "space": "tiny-fixed",
    "space_args": {"resolution": 16},
    "data": "digits",
    "budget": NO_BUDGET,
    "target": {"runtime": "onnxruntime", "rounds": 6, "calibrate": 8},
    "compare": [{"runtime": "onnxruntime", "threads": 2, "rounds": 6, "calibrate": 8}],
    "search": {"warmup_epochs": 20, "epochs": 1, "limit": 200, "device": "cpu"},
    "train": {"epochs": 15, "limit": 200, "device": "cpu"},
    "formats": ["onnx"],
}


@pytest.mark.slow
@pytest.mark.usefixtures("no_milliseconds")
def test_everything_from_one_file_and_nothing_twice(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"output": str(tmp_path / "out"), **_CONFIG}))
    result = CliRunner().invoke(app, ["run", str(config), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [entry["target"] for entry in document["networks"]] == ["onnxruntime", "onnxruntime 2 threads"]
    assert set(document["networks"][0]["ms"]) == {"onnxruntime", "onnxruntime 2 threads"}
    assert document["export"]["budget_checked"] is True
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    networks = ["network-onnxruntime-2-threads.json", "network-onnxruntime.json"]
    assert files == [
        "config.yaml",
        "model",
        *networks,
        "onnxruntime-2-threads.json",
        "onnxruntime.json",
        "report.html",
        "search",
        "trained",
    ]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.onnx")}
    again = CliRunner().invoke(app, ["run", str(config), "--json"])
    assert json.loads(again.stdout)["architecture"] == document["architecture"]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "digit"}, "unknown data 'digit'"),
        ({"compare": [{"runtime": "tensorrt"}]}, "unknown runtime 'tensorrt'"),
        ({"compare": [_CONFIG["target"]]}, "the targets onnxruntime are not all different"),
        ({"search": {"strategy": "magic"}}, "unknown strategy 'magic'"),
        ({"search": {"objective": "magic"}}, "unknown objective 'magic'"),
        ({"formats": ["coreml"]}, "unknown format 'coreml'"),
        ({"space_args": {"num_classes": 3}}, "digits has 10 classes, but the networks are made for 3"),
        (
            {"search": {"limit": 100, "batch_size": 64}},
            "search: a batch of 64 images is more than the 30 of a part of the training images; set search.batch_size",
        ),
        ({"train": {"batch_size": 2000}}, "train: a batch of 2000 images is more than the 1212 of a part"),
        ({"search": {"limit": 12, "held_out": 0.1}}, "has one image, which cannot be in both of two parts"),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    config = tmp_path / "config.yaml"
    # As JSON, which is YAML too: aliases, by which YAML repeats an object, are not read.
    config.write_text(json.dumps({"output": str(tmp_path / "out"), **_CONFIG, **change}))
    result = CliRunner().invoke(app, ["run", str(config)])
    assert result.exit_code == 2 and message in result.stderr
    assert not (tmp_path / "out").exists()
