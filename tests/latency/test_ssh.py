"""Profiling over ssh, against a real server on this machine: what arrives, and what happens when things break."""

import json
import os
import sys
import threading
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
import yaml
from typer.testing import CliRunner

from latency.devices import Device, DeviceError, Event, Job, find_device
from latency.devices.remote import RemoteDevice
from latency.devices.ssh import SshLink
from latency.plan import make_plan
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.timing import Samples, make_schedule, time_models
from latency.writers.graph import lower, random_weights
from proxyless.addresses import address_of
from proxyless.cli.main import app
from proxyless.errors import CheckError, InputError
from proxyless.space import tiny_fixed
from proxyless.testing.devices import DeviceContract
from tests.helpers import NO_BUDGET
from tests.latency.processes import left_in
from tests.latency.sshd import Server, problem, running

pytestmark = [pytest.mark.slow, pytest.mark.skipif(problem() is not None, reason=f"{problem()}")]

_SPACE = tiny_fixed(resolution=16, num_classes=3)
_ROUNDS = 3
_FINE = "def version(): return 'fake 1'\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("sshd")) as found:
        yield found


def _device(server: Server, silence_s: float = 60.0, pauses_s: tuple[float, ...] = (0.1, 0.5, 2.0)) -> RemoteDevice:
    link = SshLink("ssh://board", f"ssh://127.0.0.1:{server.port}", str(server.folder / "config"))
    return RemoteDevice(link, sys.executable, silence_s, pauses_s)


def _job(tmp_path: Path, load: str, items: str = "abc", rounds: int = 2) -> Job:
    """A job whose runner does what `load` says, with one small file per item."""
    (tmp_path / "runner.py").write_text(_FINE + load)
    for item in items:
        (tmp_path / item).write_text(f"model {item}")
    schedule = make_schedule(list(items), rounds, 0)
    paths = {item: tmp_path / item for item in items}
    return Job(tmp_path / "runner.py", paths, schedule, warmup_ms=0, visit_ms=0, min_runs=1)


def _run(device: RemoteDevice, job: Job, on_event: Callable[[Event], None] = lambda event: None) -> list[Event]:
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        on_event(event)

    device.run(job, record)
    return events


_LOADS = "def load(*_): return (lambda: None), (lambda array: None), None, [1], 'float32'\n"
_SLOWLY = "import time\ndef load(*_): return (lambda: time.sleep(0.05)), (lambda a: None), None, [1], 'float32'\n"
_HANGS = """
import time
def load(path, *_):
    def run():
        if "model b" in open(path).read():
            time.sleep(600)
    return run, (lambda array: None), None, [1], "float32"
"""


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_a_profile_over_ssh_covers_what_a_local_one_does(server: Server, tmp_path: Path, runtime: str) -> None:
    settings = ProfileSettings(runtime=runtime, calibrate=5, rounds=2)
    here = profile(_SPACE, tmp_path / "here.json", settings)
    there = profile(_SPACE, tmp_path / "there.json", settings.model_copy(update={"device": server.device()}))
    assert [row.spec for row in there.rows] == [row.spec for row in here.rows]
    assert there.costs(_SPACE).constant_ms > 0
    assert there.device.name == address_of(server.device()) and there.device.processor == here.device.processor
    assert there.runtime == here.runtime
    assert not (server.home / ".cache" / "proxyless").exists()
    assert left_in(server.home) == []


def test_a_cut_connection_is_taken_up_and_nothing_is_measured_twice(server: Server, tmp_path: Path) -> None:
    runtime = find_runtime("onnxruntime")
    plan = make_plan(_SPACE, 0, _ROUNDS, 0)
    files = plan.write_models(runtime, 1, tmp_path)
    events: list[Event] = []
    cuts: list[int] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if len(events) in (20, 70):
            cuts.append(server.cut())

    time_models(_device(server), Job(runtime.runner, files, plan.schedule, delegate="cpu"), Samples(), on_event)
    assert all(cut > 0 for cut in cuts) and len(cuts) == 2
    kinds = Counter(event["event"] for event in events)
    assert kinds == {"ready": 3, "sample": len(plan.schedule)}
    assert {(event["round"], event["id"]) for event in events if event["event"] == "sample"} == set(plan.schedule)
    assert not (server.home / ".cache" / "proxyless").exists()
    assert left_in(server.home) == []


def test_a_connection_that_stays_cut_keeps_the_files_and_sends_only_the_rest(server: Server, tmp_path: Path) -> None:
    job = _job(tmp_path, _LOADS)
    with pytest.raises(DeviceError, match=r"(no|the) connection to ssh://board"):
        _run(_device(server, pauses_s=()), job, _cut(server))
    (folder,) = (server.home / ".cache" / "proxyless").iterdir()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(kept) == 7  # three models, runner, program, guard, job
    damaged = next(path for path in folder.iterdir() if path.read_text() == "model a")
    damaged.write_text("mod")  # what a board that lost power leaves
    os.utime(damaged, (1, 1))
    during: dict[str, int] = {}
    _run(
        _device(server),
        job,
        lambda event: during.update((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()),
    )
    changed = {name for name, time_ns in during.items() if kept.get(name) != time_ns}
    assert changed == {damaged.name}
    assert not folder.parent.exists()


def _cut(server: Server) -> Callable[[Event], None]:
    def cut(event: Event) -> None:
        server.cut()

    return cut


def test_an_item_that_hangs_is_tried_twice_and_named(server: Server, tmp_path: Path) -> None:
    samples, events = Samples(), list[Event]()
    record: Callable[[Event], None] = events.append
    with pytest.raises(CheckError, match=r"'b' could not be timed on 'ssh://board', tried twice: .* silent for 2 s"):
        time_models(_device(server, silence_s=2.0), _job(tmp_path, _HANGS), samples, record)
    assert set(samples.visits) == {(number, item) for number in range(2) for item in "ac"}
    failed = [event for event in events if event["event"] == "failed"]
    assert [event["id"] for event in failed] == ["b", "b"]
    assert left_in(server.home) == []


def test_an_interruption_leaves_nothing_running(server: Server, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event["event"] == "sample":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(_device(server), _job(tmp_path, _HANGS.replace("model b", "model"), items="x"), _once_running(server))
    with pytest.raises(KeyboardInterrupt):
        _run(_device(server), _job(tmp_path, _SLOWLY, rounds=500), interrupt)
    assert left_in(server.home) == []


def _once_running(server: Server) -> Callable[[Event], None]:
    def interrupt(event: Event) -> None:
        assert left_in(server.home, wait_s=0)
        raise KeyboardInterrupt

    return interrupt


def test_two_measurements_never_run_at_once(server: Server, tmp_path: Path) -> None:
    spans: dict[str, list[float]] = {"first": [], "second": []}
    jobs = {}
    for name in spans:
        (tmp_path / name).mkdir()
        jobs[name] = _job(tmp_path / name, _SLOWLY + f"NAME = {name!r}\n", rounds=5)

    def measure(name: str) -> None:
        _run(_device(server), jobs[name], lambda event: spans[name].append(time.monotonic()))

    threads = [threading.Thread(target=measure, args=(name,)) for name in spans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = sorted(spans.values(), key=lambda span: span[0])
    assert len(one) == len(other) == 16
    assert one[-1] < other[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("wrong_key", "Permission denied.*takes none of your keys: put yours there with ssh-copy-id"),
        ("unknown_host", "host key is not known here: connect once by hand and accept it: ssh -F"),
        ("changed_host", "host key is not the one known here: find out why"),
    ],
)
def test_a_refused_connection_says_what_to_do(server: Server, tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        find_device(server.device(config)).run(_job(tmp_path, _LOADS), lambda event: None)


def test_a_host_that_is_not_there(server: Server, tmp_path: Path) -> None:
    config = server.folder / "config"
    with pytest.raises(DeviceError, match=r"Connection refused\); check that it is on and that this works: ssh -F"):
        find_device(f"ssh://127.0.0.1:1?config={config}").run(_job(tmp_path, _LOADS), lambda event: None)
    with pytest.raises(DeviceError, match=r"Could not resolve .*; no such host is known: check the name"):
        find_device(f"ssh://nobody.invalid?config={config}").run(_job(tmp_path, _LOADS), lambda event: None)


def test_bench_tells_the_memory_that_a_file_takes_on_the_device(server: Server, tmp_path: Path) -> None:
    runtime = find_runtime("onnxruntime")
    path = tmp_path / f"model{runtime.suffix}"
    runtime.writer()(lower([_SPACE.fixed[0]], random_weights()), path)
    arguments = ["bench", str(path), "--device", server.device(), "--rounds", "2", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert 2**20 < row["peak_memory_bytes"] < 2**27
    assert list(row["inputs"].values()) == [{"shape": [1, 3, 16, 16], "dtype": "float32"}]


def test_bench_does_not_blame_the_model_for_the_device(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("any")
    device = f"ssh://127.0.0.1:1?config={server.folder / 'config'}"
    result = CliRunner().invoke(app, ["bench", str(tmp_path / "model.onnx"), "--device", device])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"failed: no connection to {device}") and "complete model" not in result.stderr


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("numpy", "has no numpy; install it there: python3 -m pip install numpy"),
        ("onnxruntime", "has no onnxruntime; install it there: python3 -m pip install onnxruntime"),
        ("litert", "has no ai-edge-litert; install it there: python3 -m pip install ai-edge-litert"),
    ],
)
def test_a_missing_package_is_named(server: Server, tmp_path: Path, module: str, message: str) -> None:
    runtime = find_runtime("onnxruntime" if module == "numpy" else module)
    python = _bare_python(tmp_path / "venv", [] if module == "numpy" else [numpy.__name__])
    job = Job(runtime.runner, {"a": runtime.runner}, ((0, "a"),))
    with pytest.raises(DeviceError, match=message):
        find_device(server.device(python=str(python))).run(job, lambda event: None)


def _bare_python(folder: Path, packages: list[str]) -> Path:
    """A Python that has none of our packages but these."""
    venv.create(folder, symlinks=True)
    (there,) = folder.glob("lib/python*/site-packages")
    for name in packages:
        for path in Path(numpy.__file__).parents[1].glob(name + "*"):  # its wheel keeps libraries beside it
            (there / path.name).symlink_to(path)
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "has no '.*python'; install Python 3.8 or later, or name it"),
        ("exit 1", "is not Python 3.8 or later"),
    ],
)
def test_a_python_that_is_missing_or_too_old(server: Server, tmp_path: Path, script: str | None, message: str) -> None:
    python = tmp_path / "python"
    if script:
        _program(python, script)
    with pytest.raises(DeviceError, match=message):
        find_device(server.device(python=str(python))).run(_job(tmp_path, _LOADS), lambda event: None)


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "server").mkdir()
    _program(
        tmp_path / "bin" / "tar", "cat > /dev/null; echo 'tar: x: Cannot write: No space left on device' >&2; exit 2"
    )
    full = pytest.raises(DeviceError, match=r"has no room for \d+ MiB in .*; make room")
    with running(tmp_path / "server", f"{tmp_path / 'bin'}:") as server, full:
        _run(_device(server), _job(tmp_path, _LOADS))


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("no_milliseconds")
def test_everything_for_a_device_is_measured_on_it(server: Server, tmp_path: Path) -> None:
    target = {"runtime": "onnxruntime", "device": server.device(), "rounds": 3, "calibrate": 5}
    config = {
        "output": str(tmp_path / "out"),
        "space_args": {"resolution": 16},
        "budget": NO_BUDGET,
        "target": target,
        "compare": [{**target, "device": "local"}],
        "search": {"warmup_epochs": 20, "epochs": 1, "limit": 200, "device": "cpu"},
        "train": {"epochs": 15, "limit": 200, "device": "cpu"},
        "formats": ["onnx"],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    before = server.logins()
    result = CliRunner().invoke(app, ["run", str(tmp_path / "config.yaml"), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["architecture"]["target"]["device"] == address_of(server.device())
    assert document["export"]["files"]["onnx"]["measured_on"] == address_of(server.device())
    assert [set(entry["ms"]) for entry in document["networks"]] == 2 * [
        {f"onnxruntime {address_of(server.device())}", "onnxruntime"}
    ]
    tables = sorted(path.name for path in (tmp_path / "out").glob("*.json") if not path.name.startswith("network-"))
    assert len(tables) == 2 and tables[0].startswith("onnxruntime-ssh-127.0.0.1-") and tables[1] == "onnxruntime.json"
    per_job = 6  # Python, folder, twice what is there, files, program; and the removal
    jobs, rest = divmod(server.logins() - before, per_job + 1)
    assert rest == 0 and jobs >= 5  # profile, looks for the device, candidates, export, comparison


@pytest.mark.parametrize("name", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://u:p@h", "ssh://h/path"])
def test_a_name_that_is_not_understood(name: str) -> None:
    with pytest.raises(InputError, match="is not understood; write ssh://user@host"):
        find_device(name)


def test_options_of_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` in the path of a file here is this home; what cannot be printed is no path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text("Host *\n")
    device = find_device("ssh://h?config=~/config")
    assert isinstance(device, RemoteDevice) and str(tmp_path / "config") in device.link.command("true")
    for option in ("python=a%00b", "python=a%0Ab", "python="):
        with pytest.raises(InputError, match="is not understood; write \\?python"):
            find_device(f"ssh://h?{option}")


@pytest.mark.slow
class TestOverSsh(DeviceContract):
    @pytest.fixture(autouse=True)
    def _served(self, server: Server) -> None:
        self.server = server

    def device(self) -> Device:
        return _device(self.server)
