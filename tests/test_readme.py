"""The README's commands and its program run, shortened; what it names exists."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxyless.cli.main import app
from proxyless.search.config import SearchSettings
from proxyless.train.config import TrainSettings
from proxyless.workflow.uniform import USUAL
from tests.helpers import NO_BUDGET

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text()
_SHORTER = {
    "profile": "--rounds 6",
    "search": "--warmup-epochs 15 --epochs 1 --limit 300 --device cpu",
    "train": "--epochs 15 --limit 300 --device cpu",
    "bench": "--rounds 2",
    "compare": "--epochs 1 --seeds 1 --nets 2 --limit 300 --device cpu",
}


@pytest.mark.timing
@pytest.mark.usefixtures("short_waits", "few_rounds")
def test_the_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("latency.fit.transferred.MAX_ERROR_PCT", 1000.0)  # of so few rounds nothing is asked
    monkeypatch.setattr("proxyless.workflow.export_latency.REPEATABILITY", 0.3)  # the table is of five networks
    monkeypatch.setattr("proxyless.workflow.uniform.USUAL", USUAL[:1])  # the others are found and trained alike
    commands = re.findall(r"^\$ proxyless (.+)$", _README, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        arguments = f"{command} {_SHORTER.get(command.split()[0], '')}".split()
        if arguments[0] == "profile" and "--transfer" not in arguments:
            arguments += ["--calibrate", "5"]
        if arguments[0] == "compare":  # says what it measures, and promises nothing
            monkeypatch.setattr("latency.deployed._WAITS_S", ())
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.stderr}"
    for name in (
        "model.onnx",
        "model.tflite",
        "architecture.json",
        "labels.txt",
        "preprocess.json",
        "report.json",
        "classify.py",
    ):
        assert (tmp_path / "run" / "model" / name).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_milliseconds")
def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.+?)```", _README, re.DOTALL)
    quick, longer = "epochs=1, warmup_epochs=15", "epochs=15"
    both = ", limit=300, device='cpu'"
    shorter = program.replace("threads=1", "rounds=2, calibrate=5").replace("60%", NO_BUDGET)
    shorter = shorter.replace("num_classes=10", "resolution=16, num_classes=10")
    shorter = shorter.replace('output="run"', f'output="run", settings=SearchSettings({quick}{both})')
    shorter = shorter.replace('output="trained"', f'output="trained", settings=TrainSettings({longer}{both})')
    shorter = shorter.replace('output="model"', 'output="model", formats=["tflite"]')  # the commands write both
    names = {"SearchSettings": SearchSettings, "TrainSettings": TrainSettings}
    exec(compile(shorter, "README.md", "exec"), names)  # noqa: S102
    accuracy, latency_ms = map(float, capsys.readouterr().out.split())
    assert 0 <= accuracy <= 1 and latency_ms > 0


def test_every_command_is_listed_and_every_listed_command_exists() -> None:
    listed = set(re.findall(r"^\| `proxyless (\w+)", _README, re.MULTILINE))
    assert listed == {command.callback.__name__ for command in app.registered_commands if command.callback}


@pytest.mark.parametrize(
    "page", [_ROOT / "README.md", _ROOT / "CONTRIBUTING.md", *sorted((_ROOT / "docs").glob("*.md"))]
)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    named = {
        path for path in re.findall(r"`([\w./-]+\.(?:py|md|yaml|svg))`", text) if "/" in path and "NAME" not in path
    }
    linked = set(re.findall(r"\]\((?!http)([^)#]+)\)", text))
    missing = [name for name in named if not (_ROOT / name).exists()]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert missing == []


def test_the_shipped_configurations_are_valid() -> None:
    from proxyless.config import read_yaml
    from proxyless.workflow.pipeline import PipelineSettings

    for path in (_ROOT / "examples").glob("*.yaml"):
        assert read_yaml(path, PipelineSettings).output
