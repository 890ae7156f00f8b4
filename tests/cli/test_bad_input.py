"""Every wrong input gets one sentence and its exit code, before anything is trained or written."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from latency.settings import ProfileSettings
from proxyless.cli.main import app
from proxyless.config import Settings
from proxyless.search.config import SearchSettings
from proxyless.search.strategies import STRATEGIES
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from tests.helpers import MIXED_OPS, architecture, table_by_macs


def _invoke(arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good table and architecture, and files that are wrong in several ways."""
    monkeypatch.chdir(tmp_path)
    table_by_macs(tiny_fixed()).save(tmp_path / "table.json")
    architecture(MIXED_OPS).save(tmp_path / "arch.json")
    (tmp_path / "truncated.json").write_text((tmp_path / "table.json").read_text()[:300])
    (tmp_path / "empty").mkdir()
    for label in ("cat", "dog"):
        for index in range(12):
            (tmp_path / "images" / label).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32)).save(tmp_path / "images" / label / f"{index}.png")
    (tmp_path / "images" / "cat" / "3.png").write_bytes(b"\x89PNG damaged")
    Path("one", "cat").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "one" / "cat" / "a.png")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "bad.yaml").write_text("output: x\nserach: {}\n")
    (tmp_path / "soon.yaml").write_text("output: x\nbudget: soon\n")
    return tmp_path


_ROOT = Path(__file__).parents[2]
_SEARCH = "search --space tiny-fixed --data digits --table table.json --budget 60% -o run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (_SEARCH.replace("table.json", "missing.json"), "latency table not found: missing.json; check the path"),
        (_SEARCH.replace("table.json", "truncated.json"), "latency table truncated.json is damaged"),
        (_SEARCH.replace("table.json", "pixel9"), "no latency table 'pixel9'"),
        (_SEARCH.replace("tiny-fixed", "mobile-fixed"), "was made for the space 'tiny-fixed', not 'mobile-fixed'"),
        (_SEARCH.replace("60%", "0.1ms"), "no network of the space fits 0.1 ms: predicted latencies go from"),
        (_SEARCH.replace("60%", "soon"), "the budget 'soon' is not understood"),
        (_SEARCH.replace("60%", "0ms"), "the budget must be more than 0 ms"),
        (_SEARCH.replace("60%", "2000000s"), "the budget '2000000s' is absurdly large"),
        (_SEARCH + " --max-params 2000000000G", "the limit '2000000000G' is absurdly large"),
        (_SEARCH + " --resume", "there is no run in run to go on with; check the folder, or leave --resume out"),
        (_SEARCH.replace("-o run", "-o empty --resume"), "there is no run in empty to go on with"),
        ("train arch.json --data digits -o out --resume", "there is no run in out to go on with"),
        (_SEARCH + " --strategy magic", "unknown strategy 'magic'; choose of gradient"),
        (_SEARCH + " --objective magic", "unknown objective 'magic'; choose of constrained"),
        (
            _SEARCH + " --evaluations 9",
            "'evaluations' is a setting of the strategy random or evolution or predictor, not",
        ),
        (
            _SEARCH + " --strategy evolution --arch-lr 0.1",
            "'arch_lr' is a setting of the strategy gradient or reinforce",
        ),
        (_SEARCH + " --strategy random --arch-every 2", "'arch_every' is a setting of the strategy gradient or"),
        (_SEARCH + " --strategy darts --gates all", "'gates' is a setting of the strategy gradient, not of darts"),
        (_SEARCH + " --lr=-1", "lr: Input should be greater than 0 (got -1.0)"),
        (_SEARCH + " --gates three", "gates: Input should be 'two' or 'all'"),
        (_SEARCH + " --batch-size 5000", "a batch of 5000 images is larger than the"),
        (_SEARCH.replace("digits", "imagefolder:empty"), "no images in empty"),
        (_SEARCH.replace("digits", "imagefolder:one"), "images of one class ('cat')"),
        (_SEARCH.replace("digits", "imagefolder:images"), "3.png is not a readable image"),
        (
            "search --space mobile-fixed --data digits --table pixel1 --budget 80ms -o run",
            "has 10 classes, but the networks",
        ),
        ("profile --space tiny-fixed --runtime tensorrt -o t.json", "unknown runtime 'tensorrt'; choose of litert"),
        (
            "profile --space tiny-fixed --runtime ncnn --batch 2 -o t.json",
            "'ncnn' takes one image at a time, got a batch of 2",
        ),
        (
            "profile --space tiny-fixed --device pi -o t.json",
            "unknown device 'pi'; choose local (this machine), ssh://user@",
        ),
        ("profile --space tiny-fixed --device ssh://pi:x -o t.json", "write ssh://user@host or ssh://user@host:port"),
        (
            "profile --space tiny-fixed --device ssh://pi?key=a -o t.json",
            "'key' is not understood; write ?python=..., ?config",
        ),
        ("bench model.onnx --device adb: --threads 2", "write adb:SERIAL, as 'adb devices' shows it"),
        ("profile --space huge -o t.json", "unknown space 'huge'"),
        ("profile --space tiny-fixed -o table.json", "table.json exists already"),
        ("derive empty --budget soon -o out", "the budget 'soon' is not understood"),
        ("compare empty --budget soon -o out", "the budget 'soon' is not understood"),
        ("derive empty --device ssh://pi -o out", "--device goes with --measure only"),
        ("derive empty -o out", "empty is not the folder of a search"),
        ("train empty --data digits -o out", "empty has no architecture.json"),
        ("train truncated.json --data digits -o out", "architecture truncated.json is damaged"),
        ("train arch.json --data mnist -o out", "unknown data 'mnist'"),
        ("export empty -o out", "empty is not a trained network"),
        ("export empty --format coreml -o out", "unknown format 'coreml'"),
        ("bench missing.onnx", "model not found: missing.onnx"),
        ("bench arch.json", "arch.json has an unknown suffix"),
        ("bench text.onnx", "check that the file is a complete model"),
        ("bench text.onnx --runtime litert", "unknown suffix for the runtime 'litert'; give a file ending in .tflite"),
        ("bench text.onnx --threads 0", "threads.0: Input should be greater than or equal to 1 (got 0)"),
        ("run missing.yaml", "configuration not found: missing.yaml"),
        ("run soon.yaml", "the budget 'soon' is not understood"),
        ("run bad.yaml", "serach: Extra inputs are not permitted"),
        ("tables pixel9", "no latency table 'pixel9'"),
        ("tables --import arch.json", "--import needs -o FILE.json"),
        ("tables --predict-space tiny table.json", "--predict-space needs -o FILE.json"),
        ("tables --predict-space tiny -o new.json", "--predict-space needs one TABLE, got 0"),
        ("tables --predict-space tiny-fixed table.json -o arch.json", "arch.json exists already; delete it"),
        (
            "tables --predict-space tiny-fixed table.json -o new.json",
            "has all layers of space 'tiny-fixed'; there is nothing",
        ),
        ("tables pixel1 table.json", "layers in common; compare tables of one space, with the same resolution"),
        ("tables a b c", "tables describes one table or compares two, got 3"),
        ("tables --plot pictures", "--plot needs one TABLE, got 0"),
        ("tables note10-224 --plot pictures", "has no networks, no space and no record of its measurement"),
        ("tables table.json --plot table.json", "table.json is not a folder; choose another output"),
        (
            "profile --space tiny-fixed --transfer pixel1 -o t.json",
            "pixel1 cannot be transferred to space 'tiny-fixed': it has no",
        ),
        ("profile --space tiny-fixed --transfer table.json --nets 3 -o t.json", "--nets must be at least 5, got 3"),
        (
            "profile --space tiny-fixed --transfer table.json --calibrate 9 -o t.json",
            "--calibrate does not go with --transfer",
        ),
        ("profile --space tiny-fixed --nets 9 -o t.json", "--nets goes with --transfer only; say --calibrate"),
        ("tables pixel1 -o new.json", "--output goes with --import or --predict-space only"),
        ("tables pixel1 --resolution 96", "--resolution goes with --predict-space only"),
        ("tables pixel1 --plot p --predict-space tiny -o new.json", "choose one of --plot, --predict-space"),
        ("tables pixel1 --import arch.json -o new.json", "--import takes no TABLE, got 'pixel1'"),
        ("spaces huge", "unknown space 'huge'; choose of mobile, mobile-fixed, tiny"),
    ],
)
def test_one_sentence_and_exit_code_2(work: Path, arguments: str, message: str) -> None:
    before = sorted(path.name for path in work.iterdir())
    code, stdout, stderr = _invoke(arguments)
    assert code == 2, stderr
    assert message in stderr and stderr.startswith("error: ") and stderr.count("\n") == 1
    assert stdout == ""
    assert sorted(path.name for path in work.iterdir()) == before


_TYPOS = (
    _SEARCH.replace("60%", "soon"),
    _SEARCH.replace("table.json", "missing.json"),
    _SEARCH + " --strategy magic",
    _SEARCH + " --objective magic",
    _SEARCH + " --resume",
    _SEARCH + " --max-params many",
    "derive run --budget soon -o out",
    "compare run --budget soon -o out",
)
_HEAVY = """
import os, sys
from typer.testing import CliRunner
from proxyless.cli.main import app
os.chdir(sys.argv[1])
for command in sys.argv[2:]:
    code = CliRunner().invoke(app, command.split()).exit_code
    print(code, *sorted({"torch", "scipy", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_a_typo_is_refused_before_anything_heavy_is_imported(work: Path) -> None:
    command = [sys.executable, "-c", _HEAVY, str(work), *_TYPOS]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2"] * len(_TYPOS)


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").is_dir(), reason="needs a place where nobody can write")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (f"{_SEARCH} --max-params 80k", "no network of the space has at most 80,000 parameters"),
        (f"{_SEARCH} --device cuda", "torch sees no CUDA device"),
        (f"{_SEARCH} -o used", "used holds a run already; add --resume"),
        ("train arch.json --data digits --device cuda -o t", "torch sees no CUDA device"),
        ("train arch.json --data digits -o used", "used holds a run already; add --resume"),
    ],
)
def test_what_needs_no_images_is_refused_before_they_are_read(
    work: Path, arguments: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("images were read")

    for name in ("search", "train"):  # modules, where the package has functions
        monkeypatch.setattr(importlib.import_module(f"proxyless.workflow.{name}"), "load_data", load)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (work / "used").mkdir()
    (work / "used" / "checkpoint.pt").touch()
    code, _, stderr = _invoke(arguments)
    assert code == 2 and message in stderr and stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written_to(work: Path) -> None:
    code, _, stderr = _invoke(_SEARCH.replace("-o run", "-o /proc/run"))
    assert code == 2 and "cannot write to the folder /proc/run" in stderr


def test_a_used_folder_needs_resume_and_the_same_settings(work: Path) -> None:
    quick = _SEARCH.replace("digits", "synthetic:100") + " --warmup-epochs 0 --epochs 1 --batch-size 16 --device cpu"
    assert _invoke(quick)[0] == 0
    code, _, stderr = _invoke(quick)
    assert code == 2 and "run holds a run already; add --resume" in stderr
    code, _, stderr = _invoke(quick + " --resume --lr 0.3")
    assert code == 2 and "run holds a run with another search" in stderr
    (work / "run" / "checkpoint.pt").write_bytes(b"junk")
    code, _, stderr = _invoke(quick + " --resume")
    assert code == 2 and re.search("checkpoint .* is damaged", stderr)


def test_a_run_that_finished_no_epoch_can_be_started_again_with_other_settings(work: Path) -> None:
    quick = _SEARCH.replace("digits", "synthetic:100") + " --warmup-epochs 0 --epochs 1 --batch-size 16 --device cpu"
    code, _, stderr = _invoke(quick + " --lr 1e30")
    assert code == 1 and re.search(
        "the (weight loss or its gradient|architecture loss|gradient of the architecture) became nan", stderr
    )
    assert _invoke(quick)[0] == 0


def test_a_configuration_that_is_not_of_a_run_is_not_overwritten(work: Path) -> None:
    mine = "output: runs\nspace: tiny\n"
    (work / "config.yaml").write_text(mine)
    code, _, stderr = _invoke(_SEARCH.replace("-o run", "-o .") + " --device cpu")
    assert code == 2 and stderr.startswith("error: configuration config.yaml: ")
    assert (work / "config.yaml").read_text() == mine


def test_an_interruption_exits_with_130(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("proxyless.cli.spaces.load_space", interrupt)
    code, _, stderr = _invoke("spaces")
    assert code == 130 and stderr == "interrupted: what was not complete is not kept\n"
    monkeypatch.setattr("proxyless.cli.profile.load_space", interrupt, raising=False)
    monkeypatch.setattr("proxyless.space.load_space", interrupt)
    code, _, stderr = _invoke("profile --space tiny -o t.json")
    assert code == 130 and stderr.startswith("interrupted: finished measurements and epochs are kept; the same command")


def test_a_check_that_fails_exits_with_1(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from proxyless.errors import CheckError

    def fail(*_: object) -> None:
        raise CheckError("too slow")

    monkeypatch.setattr("proxyless.cli.spaces.load_space", fail)
    assert _invoke("spaces") == (1, "", "failed: too slow\n")


def test_too_little_memory_is_one_sentence_and_other_errors_are_not_hidden(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def allocate(*_: object) -> None:
        torch.empty(2**55, dtype=torch.uint8)

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("proxyless.cli.spaces.load_space", allocate)
    code, _, stderr = _invoke("spaces")
    assert code == 1 and stderr.startswith("failed: out of memory (") and "use a smaller --batch-size" in stderr
    monkeypatch.setattr("proxyless.cli.spaces.load_space", fail)
    assert isinstance(CliRunner().invoke(app, ["spaces"]).exception, RuntimeError)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ("spaces --json", None),
        ("spaces mobile --json", "networks"),
        ("tables --json", "pixel1"),
        ("tables pixel1 --json", "rows"),
        ("tables note10-160 note10-176 --json", "spearman"),
    ],
)
def test_json_is_machine_readable(arguments: str, key: str | None) -> None:
    code, stdout, _ = _invoke(arguments)
    document = json.loads(stdout)
    assert code == 0 and (key is None or (isinstance(document, dict) and key in document))


@pytest.mark.parametrize(
    ("name", "settings"), [("search", SearchSettings), ("train", TrainSettings), ("profile", ProfileSettings)]
)
def test_every_setting_has_a_flag(name: str, settings: type[Settings]) -> None:
    """Or what a report prints as the command of a run would not be the same run."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    flags = {flag for parameter in command.commands[name].params for flag in parameter.opts}
    fields = {*settings.model_fields} - {"own"}
    if name == "search":
        fields = fields.union(*(kind.settings.model_fields for kind in STRATEGIES.values()))
    assert flags >= {f"--{field.replace('_', '-')}" for field in fields}


def test_every_command_has_help_with_an_example() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.callback.__name__
        code, stdout, _ = _invoke(f"{name} --help")
        assert code == 0 and "Example" in stdout and f"proxyless {name}" in " ".join(stdout.split())
