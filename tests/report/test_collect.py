"""The page's data are the run's own files; what is missing, damaged or no run at all is said."""

import json
import shlex
from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from export.settings import ExportSettings
from proxyless.cli.main import app
from proxyless.errors import InputError
from proxyless.report.page import render
from proxyless.space import network_cost
from proxyless.workflow.report import collect
from tests.helpers import architecture, table_by_macs
from tests.report.conftest import SPACE, invoke

pytestmark = pytest.mark.slow

Copy = Callable[[Path], Path]


def test_the_layers_are_the_architectures_and_cost_what_the_table_says(searched: Path) -> None:
    answer = collect(searched).answer
    assert answer is not None
    document = json.loads((searched / "architecture.json").read_text())
    layers = architecture(" ".join(document["ops"]), SPACE).layers
    assert answer.ops == document["ops"] == [row.choice for row in answer.layers if row.choice]
    assert [(row.in_shape, row.out_shape, row.stride) for row in answer.layers if not row.is_skip] == [
        (spec.in_shape, spec.out_shape, spec.stride) for spec in layers
    ]
    overhead_ms = json.loads((searched / "table.json").read_text())["overhead_ms"]
    cost = network_cost(layers)
    assert (answer.params, answer.macs, answer.overhead_ms) == (cost.params, cost.macs, overhead_ms)
    assert answer.predicted_ms == pytest.approx(overhead_ms + cost.macs / 1e6)
    assert answer.predicted_ms == pytest.approx(document["target"]["predicted_ms"])
    assert [row.ms for row in answer.layers] == pytest.approx([row.macs / 1e6 for row in answer.layers])
    shares = [row.share or 0 for row in answer.layers]
    assert sum(shares) + overhead_ms / answer.predicted_ms == pytest.approx(1)


def test_the_course_is_the_log_and_ends_at_the_result(searched: Path) -> None:
    content, result = collect(searched), json.loads((searched / "result.json").read_text())
    assert content.course is not None and content.answer is not None
    lines = [json.loads(line) for line in (searched / "log.jsonl").read_text().splitlines()]
    for epoch, line in zip(content.course.epochs, lines, strict=True):
        assert (epoch.epoch, epoch.train_loss, epoch.entropy) == (line["epoch"], line["train_loss"], line["entropy"])
        assert epoch.bounds[0].expected == line["bounds"][0]["expected"]
    for row, log_probs in zip(content.course.epochs[-1].probabilities, result["log_probs"], strict=True):
        assert row == pytest.approx([exp(value) for value in log_probs])
    chosen = [
        exp(log_probs[names.index(op)])
        for op, names, log_probs in zip(content.answer.ops, result["ops"], result["log_probs"], strict=True)
    ]
    assert [row.probability for row in content.answer.layers if row.choice] == pytest.approx(chosen)


def test_the_ladder_begins_with_the_answer_and_is_on_the_page(searched: Path) -> None:
    content = collect(searched)
    assert content.ladder is not None and content.answer is not None
    assert content.ladder.candidates[0].ops == content.answer.ops
    page = render(content)
    assert "How the search settled" in page
    for worth in content.ladder.candidates[0].rungs:
        assert f"{worth.loss:.4f}" in page
    assert "How the search settled" not in render(content.model_copy(update={"ladder": None}))


def test_a_search_alone_names_the_commands_that_complete_it(searched: Path, complete: Path) -> None:
    content = collect(searched)
    assert [part.line.split()[1] for part in content.missing] == ["train", "export", "derive"]
    assert (content.exported, content.trained, content.galleries) == (None, None, [])
    assert collect(complete).missing == []


def test_files_and_gallery_are_those_of_the_run(complete: Path) -> None:
    content, report = collect(complete), json.loads((complete / "model" / "report.json").read_text())
    assert content.exported is not None and content.trained is not None
    entry, written = content.exported.files["onnx"], report["files"]["onnx"]
    assert content.exported.pytorch_accuracy == report["pytorch_accuracy"]
    assert entry.size_bytes == (complete / "model" / "model.onnx").stat().st_size
    assert (entry.accuracy, entry.measured_ms) == (written["accuracy"], written["measured_ms"])
    assert [check.name for check in content.exported.checks] == [check["name"] for check in report["checks"]]
    gallery = json.loads((complete / "gallery" / "gallery.json").read_text())["networks"]
    assert [net.file for net in content.galleries[0].networks] == [net["file"] for net in gallery]
    assert content.question.classes == [str(label) for label in range(10)]
    assert (
        content.trained.test_accuracy
        == json.loads((complete / "trained" / "trained.json").read_text())["test_accuracy"]
    )


def test_the_command_to_search_again_finds_the_same(tmp_path: Path) -> None:
    table_by_macs(SPACE).save(tmp_path / "a.json")
    table_by_macs(SPACE, ms_per_mmac=2).save(tmp_path / "b.json")
    targets = f"--table {tmp_path}/a.json --budget 60% --table {tmp_path}/b.json --budget 4ms"
    limits = "--max-params 1M --max-memory 60kB --strategy reinforce --seed 3 --lr 0.1"
    quick = "--warmup-epochs 1 --epochs 1 --batch-size 16 --device cpu"
    invoke(f"search --space tiny-fixed --data synthetic:160 {targets} {limits} {quick} -o {tmp_path}/run")
    content = collect(tmp_path / "run")
    assert [target.budget_ms for target in content.question.targets] == [pytest.approx(1.78, abs=0.01), 4]
    first, second = (target.predicted_ms or 0 for target in content.question.targets)
    assert content.answer is not None and second == pytest.approx(2 * first, rel=0.01)
    assert content.question.limits == {"max_params": 1e6, "max_memory_bytes": 6e4} and content.seed == 3
    (again,) = (command for command in content.commands if command.makes == "search")
    invoke(" ".join(shlex.split(again.line)[1:]))
    assert (tmp_path / "run-again" / "result.json").read_text() == (tmp_path / "run" / "result.json").read_text()


def _change(path: Path, **values: Any) -> None:
    """Change fields of a JSON or YAML file; those that are None are removed."""
    document = {**yaml.safe_load(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))


def _commands(run: Path) -> dict[str, list[str]]:
    """The words of the commands that make a run again, by what they make."""
    return {each.makes: shlex.split(each.line)[1:] for each in collect(run).commands}


def _parsed(words: list[str]) -> dict[str, Any]:
    """What the command understands."""
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    params: dict[str, Any] = command.make_context(words[0], words[1:]).params
    return params


def test_the_commands_make_the_same_network_in_another_folder(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    again = run.with_name("run-again")
    commands = _commands(run)
    assert list(commands) == ["search", "trained network", "exported files"]
    invoke(shlex.join(commands["search"]))
    invoke(shlex.join(commands["trained network"]))
    for name in ("result.json", "trained/config.yaml", "trained/trained.json"):
        assert (again / name).read_text() == (run / name).read_text()
    assert commands["exported files"] == shlex.split(f"export {again}/trained --format onnx -o {again}/model")


def test_the_training_again_has_every_setting_of_the_training(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    asked: dict[str, Any] = {
        "epochs": 7,
        "warmup_epochs": 1,
        "lr": 1e-5,
        "weight_decay": 0.001,
        "seed": 5,
        "limit": 100,
    }
    asked |= {"batch_size": 8, "validation": 0.25, "device": "cpu", "precision": "bf16-mixed", "compile": True}
    _change(run / "trained" / "config.yaml", data="digits", train=asked)
    params = _parsed(_commands(run)["trained network"])
    again = run.with_name("run-again")
    assert (params["network"], params["output"], params["data"]) == (again, again / "trained", "digits")
    assert {name: params[name] for name in asked} == asked


@pytest.mark.parametrize("given", [".", "../run", "trained/.."])
def test_the_other_folder_lies_beside_the_run(
    complete: Path, copy: Copy, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    run = copy(complete)
    monkeypatch.chdir(run)
    outputs = [_parsed(words)["output"].resolve() for words in _commands(Path(given)).values()]
    again = run.with_name("run-again")
    assert outputs == [again, again / "trained", again / "model"]


def test_another_network_that_was_trained_is_trained_again(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    _change(run / "trained" / "architecture.json", target=None)
    params = _parsed(_commands(run)["trained network"])
    assert (params["network"], params["output"]) == (
        run / "trained" / "architecture.json",
        run.with_name("run-again") / "trained",
    )


def test_an_unfinished_training_goes_on_with_its_settings(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    (run / "trained" / "trained.json").unlink()
    (line,) = (part.line for part in collect(run).missing if part.makes == "trained network")
    params = _parsed(shlex.split(line)[1:])
    assert (params["network"], params["output"], params["resume"]) == (run, run / "trained", True)
    assert (params["epochs"], params["batch_size"], params["seed"]) == (12, 16, None)


_LOST = {"attempts": [{"recipe": "per tensor", "loss_points": 3.25}], "kept": False}


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        ({"files": {"tflite": {}}}, {"formats": "tflite"}),
        ({"files": {"onnx": {}, "onnx-int8": {"dtype": "int8"}}}, {"formats": "onnx", "int8": True}),
        ({"files": {"onnx": {}}, "left_out": {"model.int8.onnx": _LOST}}, {"formats": "onnx", "int8": True}),
        (
            {"files": {"onnx": {}, "tflite": {}, "tflite-float16": {}}, "max_int8_loss": 1},
            {"formats": "onnx,tflite", "float16": True},
        ),
        (
            {"files": {"onnx": {}}, "target": {"runtime": "onnxruntime", "dtype": "int8"}},
            {"formats": "onnx", "int8": False},
        ),
        (
            {"files": {"onnx": {}, "onnx-int8": {}}, "max_int8_loss": 2.5, "calibration_images": 50, "data": "digits"},
            {"formats": "onnx", "int8": True, "max_int8_loss": 2.5, "calibration_images": 50, "data": "digits"},
        ),
    ],
)
def test_the_export_again_makes_the_files_of_the_export(
    complete: Path, copy: Copy, changed: dict[str, Any], asked: dict[str, Any]
) -> None:
    run = copy(complete)
    _change(run / "model" / "report.json", **changed)
    again = run.with_name("run-again")
    others = {"trained": again / "trained", "output": again / "model", "json": False, "data": None, "device": None}
    expected = {**others, **dict.fromkeys(ExportSettings.model_fields), **asked}
    assert _parsed(_commands(run)["exported files"]) == expected


def test_the_export_again_names_the_device_of_the_network(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    target = json.loads((run / "trained" / "architecture.json").read_text())["target"]
    _change(
        run / "trained" / "architecture.json",
        target={**target, "device": "ssh://pi@board;x?config=evil", "runtime": "onnxruntime"},
    )
    assert _parsed(_commands(run)["exported files"])["device"] == "ssh://pi@board;x"


_FLOAT: dict[str, Any] = {"file": "model.onnx", "dtype": "float32", "measured_ms": 8, "at_profiled_speed_ms": 7}
_INT8: dict[str, Any] = {"file": "model.int8.onnx", "dtype": "int8", "measured_ms": 3, "at_profiled_speed_ms": 2}


@pytest.mark.parametrize(
    ("entries", "on_target"),
    [
        ([_FLOAT | {"is_target": True}, _INT8 | {"is_target": False}], [8, 7]),
        ([_FLOAT | {"is_target": False}, _INT8 | {"is_target": True}], [3, 2]),
        ([_FLOAT | {"is_target": False}, _INT8 | {"is_target": False}], []),
        ([_FLOAT, _INT8], [8, 7]),  # older reports say neither this nor, before that, the dtype
        ([_FLOAT | {"dtype": None}], [8, 7]),
        ([_FLOAT | {"at_profiled_speed_ms": None}], []),
    ],
)
def test_on_target_is_what_the_budget_is_for(
    complete: Path, copy: Copy, entries: list[dict[str, Any]], on_target: list[float]
) -> None:
    run = copy(complete)
    _change(run / "model" / "report.json", files={f"file{number}": entry for number, entry in enumerate(entries)})
    latencies = [figure for figure in collect(run).latencies if "model." in figure.label]
    assert [figure.ms for figure in latencies if figure.on_target] == on_target
    assert len(latencies) == sum(
        entry[name] is not None for entry in entries for name in ("measured_ms", "at_profiled_speed_ms")
    )


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_answer_is_the_network_of_the_tables_dtype(searched: Path, copy: Copy, dtype: str) -> None:
    run = copy(searched)
    target = json.loads((run / "architecture.json").read_text())["target"]
    chosen = {"float32": "k3e3", "int8": "k7e6"}
    for kind, op in chosen.items():
        name = "network-litert.json" if kind == "float32" else "network-litert-int8.json"
        path = run / name
        path.write_text((run / "architecture.json").read_text())
        _change(path, ops=[op] * len(SPACE.decisions), target={**target, "dtype": kind})
    _change(run / "table.json", dtype=dtype)
    answer = collect(run).answer
    assert answer is not None and set(answer.ops) == {chosen[dtype]}


def test_an_export_report_with_more_and_with_less_is_shown(complete: Path, copy: Copy) -> None:
    run = copy(complete)
    path = run / "model" / "report.json"
    document = json.loads(path.read_text())
    document["files"] = {"onnx-int8": {"dtype": "int8", "size_bytes": 9, "new": {"a": [1]}}, "tflite": {}}
    document["checks"] = [{"name": "size", "passed": False, "value": 3, "limit": None}]
    path.write_text(json.dumps(document))
    exported = collect(run).exported
    assert exported is not None
    assert (exported.files["onnx-int8"].dtype, exported.files["onnx-int8"].accuracy) == ("int8", None)
    assert exported.files["tflite"].size_bytes is None and exported.checks[0].passed is False


def test_an_older_log_shows_what_it_has(searched: Path, copy: Copy) -> None:
    run = copy(searched)
    (run / "log.jsonl").write_text('{"epoch": 1, "train_loss": 2.5, "expected_ms": 0.7}\n')
    (run / "environment.json").unlink()
    content = collect(run)
    assert content.course is not None and content.environment == {}
    assert (content.course.epochs[0].train_loss, content.course.epochs[0].probabilities) == (2.5, [])


def test_an_unfinished_search_shows_its_course(searched: Path, copy: Copy) -> None:
    run = copy(searched)
    for name in ("result.json", "table.json", "architecture.json"):
        (run / name).unlink()
    content = collect(run)
    assert content.answer is None and content.course is not None and len(content.course.epochs) == 10
    search = content.missing[0].line
    assert search.startswith("proxyless search ") and search.endswith("--resume")


_FILES = (
    "config.yaml",
    "table.json",
    "result.json",
    "log.jsonl",
    "environment.json",
    "trained/architecture.json",
    "trained/config.yaml",
    "trained/trained.json",
    "trained/log.jsonl",
    "model/architecture.json",
    "model/report.json",
    "gallery/gallery.json",
    "ladder.json",
)


@pytest.mark.parametrize("damage", ['{"epoch": 1, "fil', "[1, 2]", "\xff"])
@pytest.mark.parametrize("name", _FILES)
def test_a_damaged_file_is_one_sentence_that_names_it(complete: Path, copy: Copy, name: str, damage: str) -> None:
    run = copy(complete)
    (run / name).write_bytes(damage.encode("latin-1"))
    with pytest.raises(InputError, match=name) as caught:
        collect(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{run}/nothing", "run not found: "),
        ("{run}/trained", "is a trained network, not a run; give the output folder of 'run' or 'search'"),
        ("{run}/model", "is an export, not a run; give the output folder of 'run' or 'search'"),
        ("{run}/gallery", "is not the folder of a run (it has no config.yaml)"),
        ("{run} -o {run}", "a report is a file such as report.html, got"),
        ("{run} -o {run}/table.json", "a report is a file such as report.html, got"),
        ("{run} -o /proc/report.html", "cannot write to the folder /proc"),
    ],
)
def test_wrong_input_is_one_sentence(complete: Path, arguments: str, message: str) -> None:
    before = sorted(complete.rglob("*"))
    result = CliRunner().invoke(app, ["report", *arguments.format(run=complete).split()])
    assert result.exit_code == 2 and message in result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert sorted(complete.rglob("*")) == before


def test_json_is_the_data_of_the_page(searched: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(searched), "-o", str(tmp_path / "page.html"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == collect(searched).model_dump(mode="json")
