"""A file chooses neither which machine is contacted nor what runs here: only what the user types does."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from latency.devices import DeviceError, LocalDevice, agreed_devices, probe
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable, RuntimeInfo
from proxyless.addresses import address_of, same_device
from proxyless.cli.main import app
from proxyless.errors import CheckError, InputError
from proxyless.search.config import SearchSettings
from proxyless.space import Anchor, Architecture, BudgetedTarget, Target, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.workflow import compare, export, search
from proxyless.workflow.measure import measure_networks
from proxyless.workflow.pipeline import PipelineSettings
from proxyless.workflow.refine import derive_measured, measurable
from proxyless.workflow.train import train
from tests.helpers import table_by_macs
from tests.latency.sshd import problem, running

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")

_SPACE = tiny_fixed(resolution=16)
_TARGET = Target(runtime="onnxruntime", delegate="cpu")
_LOGINS_PER_JOB = 7
_NETWORKS = (["k3e3"] * 9, ["k3e6"] * 9, ["k7e6"] * 9)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search on a table of this machine, and a network trained for its target."""
    folder = tmp_path_factory.mktemp("consent")
    runtime = RuntimeInfo(name="onnxruntime", version="1", threads=1, delegate="cpu")
    anchors = [Anchor(ops=ops, ms=1.0) for ops in _NETWORKS]
    table = table_by_macs(_SPACE).changed(device={"name": "local"}, runtime=runtime, anchors=anchors)
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu")
    search(_SPACE, "synthetic:120", table, "60%", folder / "run", settings)
    network = Architecture.load(folder / "run" / "architecture.json")
    train(network, "synthetic:120", folder / "trained", TrainSettings(epochs=1, warmup_epochs=0, device="cpu"))
    return folder


@pytest.fixture
def poisoned(finished: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of both whose files name a device."""

    def make(device: str) -> Path:
        for name in ("run", "trained"):
            shutil.copytree(finished / name, tmp_path / name)
        _edit(tmp_path / "run" / "table.json", lambda document: document["device"].update(name=device))
        for name in ("run", "trained"):
            path = tmp_path / name / "architecture.json"
            _edit(path, lambda document: document["target"].update(device=device))
        return tmp_path

    return make


def _edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An ssh configuration whose ProxyCommand touches a file, and that file."""

    def at_once(pauses: object, error: Exception, tries: int) -> None:
        raise error

    monkeypatch.setattr("latency.devices.attempts._pause", at_once)
    touched = tmp_path / "touched"
    (tmp_path / "ssh_config").write_text(f"Host *\n  ProxyCommand touch {touched}\n")
    return tmp_path / "ssh_config", touched


def _invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


_COMMANDS = {
    "derive": ("derive run --measure --budget 80% -o {out}", "--device"),
    "export": ("export trained --format onnx -o {out}", "--device"),
    "compare": ("compare run --epochs 1 --seeds 1 --nets 2 -o {out}", "--measure-on"),
}


def _line(command: str, folder: Path) -> list[str]:
    line, _ = _COMMANDS[command]
    words = line.format(out=folder / "out").split()
    return [words[0], str(folder / words[1]), *words[2:]]


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_file_contacts_nobody_and_runs_nothing(
    command: str, poisoned: Callable[[str], Path], config: tuple[Path, Path]
) -> None:
    path, touched = config
    folder, option = poisoned(f"ssh://h?config={path}"), _COMMANDS[command][1]
    code, errors = _invoke(*_line(command, folder))
    assert code == 2 and errors.count("\n") == 1
    assert "would contact the device 'ssh://h', which a file names and the command does not" in errors
    assert f"add {option} ssh://h\n" in errors
    assert not touched.exists() and not (folder / "out").exists()
    code, errors = _invoke(*_line(command, folder), option, "ssh://other")
    assert code == 2 and "'ssh://other' is not the device that was profiled, 'ssh://h'; give that one" in errors
    assert not touched.exists() and not (folder / "out").exists()


@pytest.mark.parametrize("command", _COMMANDS)
def test_what_the_user_types_counts(
    command: str, poisoned: Callable[[str], Path], config: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is looked for before anything is converted or trained."""

    def never(*_: object) -> None:
        raise AssertionError("it went on without its device")

    monkeypatch.setattr(sys.modules["proxyless.workflow.export"], "convert_all", never)
    monkeypatch.setattr(sys.modules["proxyless.workflow.export"], "_check_learned", lambda *_: None)
    monkeypatch.setattr(sys.modules["proxyless.workflow.compare"], "train_seeds", never)
    path, touched = config
    folder = poisoned("ssh://h?config=/nowhere&python=evil")
    code, errors = _invoke(*_line(command, folder), _COMMANDS[command][1], f"ssh://me@h?config={path}")
    assert code == 1 and errors.count("\n") == 1 and "no connection to ssh://me@h" in errors
    assert touched.exists()


@pytest.mark.slow
@pytest.mark.skipif(problem() is not None, reason=f"{problem()}")
def test_a_device_that_is_typed_measures(
    poisoned: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("sshd")) as server:
        folder = poisoned(address_of(server.device()))
        table = LatencyTable.load(folder / "run" / "table.json")
        (device,) = measurable([table], [server.device()])  # which looks for it
        assert server.logins() == _LOGINS_PER_JOB
        found = measure_networks(table, _SPACE, {"it": Architecture.load(folder / "run" / "architecture.json")}, device)
        assert found["it"] > 0 and server.logins() == 2 * _LOGINS_PER_JOB


def test_from_python_a_device_is_named_too(poisoned: Callable[[str], Path], config: tuple[Path, Path]) -> None:
    path, touched = config
    folder = poisoned(f"ssh://h?config={path}")
    with pytest.raises(InputError, match="would contact the device 'ssh://h'"):
        derive_measured(folder / "run", ["80%"])
    with pytest.raises(InputError, match="would contact the device 'ssh://h'"):
        export(folder / "trained", folder / "out", ["onnx"])
    with pytest.raises(InputError, match="would contact the device 'ssh://h'"):
        compare(folder / "run", folder / "out")
    assert not touched.exists()
    with pytest.raises(CheckError, match="no connection to ssh://h"):
        derive_measured(folder / "run", ["80%"], device=f"ssh://h?config={path}")
    assert touched.exists()


def test_a_run_measures_where_its_configuration_says_and_not_where_a_table_does(
    finished: Path, tmp_path: Path, config: tuple[Path, Path]
) -> None:
    path, touched = config
    shutil.copy(finished / "run" / "table.json", tmp_path / "table.json")
    _edit(tmp_path / "table.json", lambda document: document["device"].update(name=f"ssh://h?config={path}"))
    settings = {"output": str(tmp_path / "out"), "space_args": {"resolution": 16}, "data": "synthetic:120"}
    target = {"runtime": "onnxruntime"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**settings, "target": target, "formats": ["onnx"]}))
    (tmp_path / "out").mkdir()
    (tmp_path / "table.json").rename(tmp_path / "out" / "onnxruntime.json")
    code, errors = _invoke("run", tmp_path / "config.yaml")
    assert code == 2 and "'local' is not the device that was profiled, 'ssh://h'" in errors and not touched.exists()


def test_options_are_neither_written_nor_read_back(tmp_path: Path) -> None:
    typed = "ssh://pi@board:22?python=~/p&config=x"
    assert ProfileSettings(device=typed).device == typed
    target = ProfileSettings(device=typed, runtime="onnxruntime")
    settings = PipelineSettings(output=tmp_path / "out", target=target, formats=["onnx"])
    assert "config=x" not in yaml.safe_dump(settings.model_dump(mode="json"))
    table = table_by_macs(_SPACE).changed(device={"name": typed, "processor": "any"})
    assert table.device.name == "ssh://pi@board:22"
    table.save(tmp_path / "table.json")
    assert "config=x" not in (tmp_path / "table.json").read_text()
    made = {"runtime": "litert", "threads": 1, "batch": 1, "delegate": "", "budget_ms": 1.0, "predicted_ms": 1.0}
    assert BudgetedTarget.model_validate({**made, "device": "adb:X?benchmark_model=/bin/true"}).device == "adb:X"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("local", "local", True),
        ("ssh://pi@board", "ssh://board?python=x", True),
        ("ssh://board", "ssh://board:2222", False),
        ("ssh://board", "adb:board", False),
        ("adb:R58", "adb:R58?benchmark_model=x", True),
        ("adb:R58", "adb:R59", False),
    ],
)
def test_what_is_the_same_device(one: str, other: str, same: bool) -> None:
    assert same_device(one, other) is same


def test_several_tables_have_several_devices() -> None:
    named = ["ssh://a", "local", "ssh://b"]
    devices = agreed_devices(named, ["ssh://b?python=x", "ssh://a"])
    assert [device.name for device in devices] == ["ssh://a", "local", "ssh://b?python=x"]
    with pytest.raises(InputError, match=r"'ssh://c' is not the device that was profiled, 'ssh://a' or 'local' or"):
        agreed_devices(named, ["ssh://c", "ssh://a", "ssh://b"])


def test_a_probe_tells_of_a_missing_runtime_and_times_nothing(tmp_path: Path) -> None:
    probe(LocalDevice(), find_runtime("onnxruntime").runner, _TARGET)
    (tmp_path / "runner.py").write_text("import no_such_runtime\n")
    with pytest.raises(DeviceError, match="the Python of local has no no_such_runtime; install it there"):
        probe(LocalDevice(), tmp_path / "runner.py", _TARGET)
