"""Profiling over adb: the real client against a stand-in for the phone, and what `benchmark_model` prints."""

import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from latency.devices import DeviceError, Event, Job, find_device, probe
from latency.devices.adb import AdbLink
from latency.devices.benchmark_model import BenchmarkModel, parse_ms
from latency.devices.remote import RemoteDevice
from latency.plan import make_plan
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.timing import Samples, make_schedule, time_models
from proxyless.errors import CheckError, InputError
from proxyless.space import Target, tiny_fixed
from tests.latency.adbd import Phone
from tests.latency.processes import left_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("adb") is None, reason="adb is not installed (Debian: adb)"),
]

_SPACE = tiny_fixed(resolution=16, num_classes=3)
_LITERT = Target(runtime="litert", delegate="xnnpack")
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)

_TOOL = r"""#!/bin/sh
# Prints what TFLite's benchmark_model prints. A model's size in bytes is its latency in us.
for argument; do case $argument in --graph=*) model=${argument#--graph=} ;; esac; done
size=$(wc -c < $model)
echo "$@" >> ../../../../../arguments
echo "INFO: STARTING!"
case $(head -c 4 $model) in
hang) exec sleep 600 ;;
fail) echo "ERROR: Failed to initialize the interpreter" >&2; exit 1 ;;
kill) kill -9 $$ ;;
esac
echo "INFO: count=2 first=99999 curr=88888 min=88888 max=99999 avg=94443.5 std=5555"
echo "INFO: count=3 first=$size curr=$size min=$size max=$size avg=$size std=0MEDIAN"
echo "INFO: Inference timings in us: Init: 5685, First inference: 18535, Warmup (avg): 94443.5, Inference (avg): $size"
"""


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with pytest.MonkeyPatch.context() as patch, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(probe.getsockname()[1]))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        probe.close()
        found = Phone(tmp_path_factory.mktemp("phone"))
        try:
            _adb("connect", _serial(found))
            yield found
        finally:
            _adb("kill-server")
            found.stop()


def _adb(*arguments: str) -> str:
    return subprocess.run(["adb", *arguments], check=True, capture_output=True, text=True).stdout


def _serial(phone: Phone) -> str:
    return f"127.0.0.1:{phone.port}"


def _python(phone: Phone) -> RemoteDevice:
    return RemoteDevice(AdbLink("adb:phone", _serial(phone)), sys.executable, pauses_s=_PAUSES_S)


def _tool(phone: Phone, tmp_path: Path, silence_s: float = 60.0, median: str = "") -> BenchmarkModel:
    path = tmp_path / "benchmark_model"
    path.write_text(_TOOL.replace("MEDIAN", median))
    return BenchmarkModel(AdbLink("adb:phone", _serial(phone)), path, silence_s, _PAUSES_S)


def _job(tmp_path: Path, contents: dict[str, str]) -> Job:
    for name, content in contents.items():
        (tmp_path / f"{name}.tflite").write_text(content)
    paths = {name: tmp_path / f"{name}.tflite" for name in contents}
    schedule = make_schedule(list(contents), 2, 0)
    return Job(find_runtime("litert").runner, paths, schedule, 2, "xnnpack", warmup_ms=2, visit_ms=15, min_runs=3)


def _files(phone: Phone) -> list[str]:
    return [path.name for path in (phone.root / "data/local/tmp").iterdir()]


def test_the_stand_in_gives_what_a_phone_gives(phone: Phone, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "there").write_bytes(content)
    _adb("-s", _serial(phone), "push", str(tmp_path / "there"), "/data/local/tmp/file")
    _adb("-s", _serial(phone), "pull", "/data/local/tmp/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    command = [
        "adb",
        "-s",
        _serial(phone),
        "shell",
        "-T",
        "cd /data/local/tmp && rm file; echo out; echo err >&2; exit 7",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert _files(phone) == []


def test_a_profile_with_the_phones_python(phone: Phone, tmp_path: Path) -> None:
    device = f"adb:{_serial(phone)}?python={sys.executable}"
    settings = ProfileSettings(runtime="litert", device=device, calibrate=5, rounds=2)
    table = profile(_SPACE, tmp_path / "table.json", settings)
    assert table.costs(_SPACE).constant_ms > 0 and table.device.name == f"adb:{_serial(phone)}"
    assert _files(phone) == []


def test_an_unplugged_phone_is_taken_up_and_nothing_is_measured_twice(phone: Phone, tmp_path: Path) -> None:
    runtime = find_runtime("onnxruntime")
    plan = make_plan(_SPACE, 0, 3, 0)
    events: list[Event] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if len(events) == 20:
            phone.unplug()

    job = Job(runtime.runner, plan.write_models(runtime, 1, tmp_path), plan.schedule, delegate="cpu")
    time_models(_python(phone), job, Samples(), on_event)
    assert Counter(event["event"] for event in events) == {"ready": 2, "sample": len(plan.schedule)}
    assert _files(phone) == []
    assert left_in(phone.root) == []


def test_an_interruption_leaves_nothing_running(phone: Phone, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        assert left_in(phone.root, wait_s=0)
        raise KeyboardInterrupt

    runtime = find_runtime("onnxruntime")
    plan = make_plan(_SPACE, 0, 3, 0)
    job = Job(runtime.runner, plan.write_models(runtime, 1, tmp_path), plan.schedule, delegate="cpu")
    with pytest.raises(KeyboardInterrupt):
        _python(phone).run(job, interrupt)
    assert left_in(phone.root) == []
    shutil.rmtree(phone.root / "data/local/tmp/proxyless")


def test_benchmark_model_is_pushed_run_and_read(phone: Phone, tmp_path: Path) -> None:
    samples = Samples()
    time_models(_tool(phone, tmp_path), _job(tmp_path, {"a": "x" * 1500, "b": "x" * 20}), samples)
    assert samples.visits == {(number, item): (ms,) for number in range(2) for item, ms in (("a", 1.5), ("b", 0.02))}
    assert str(samples.environment["runtime"]).startswith("benchmark_model ") and samples.environment["cpus"]
    arguments = (phone.root / "arguments").read_text().splitlines()[-1].split()
    assert {"--num_threads=2", "--use_xnnpack=true", "--num_runs=3", "--warmup_runs=1"} < set(arguments)
    assert {"--min_secs=0.015", "--warmup_min_secs=0.002"} < set(arguments)
    assert _files(phone) == []


def test_a_profile_with_benchmark_model(phone: Phone, tmp_path: Path) -> None:
    _tool(phone, tmp_path)
    device = f"adb:{_serial(phone)}?benchmark_model={tmp_path / 'benchmark_model'}"
    table = profile(_SPACE, tmp_path / "table.json", ProfileSettings(device=device, calibrate=0, rounds=2))
    assert table.costs(_SPACE).constant_ms > 0 and table.runtime.version.startswith("benchmark_model")


def test_a_phone_is_looked_for_without_timing_anything(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "runner.py").write_text("import no_such_runtime\n")
    with pytest.raises(DeviceError, match="the Python of adb:phone has no no_such_runtime"):
        probe(_python(phone), tmp_path / "runner.py", _LITERT)
    shutil.rmtree(phone.root / "data/local/tmp/proxyless")
    timed = phone.root / "arguments"
    timed.unlink(missing_ok=True)
    probe(_tool(phone, tmp_path), find_runtime("litert").runner, _LITERT)
    with pytest.raises(InputError, match="runs TFLite only; choose --runtime litert"):
        probe(_tool(phone, tmp_path), find_runtime("onnxruntime").runner, _LITERT)
    assert _files(phone) == [] and not timed.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hang", "tried twice: the timing program was silent for 2 s"),
        ("fail", "tried twice: benchmark_model ended with 1: ERROR: Failed to initialize the interpreter"),
        ("kill", "tried twice: benchmark_model ended with 137"),
    ],
)
def test_a_model_that_benchmark_model_cannot_run_is_named(
    phone: Phone, tmp_path: Path, content: str, message: str
) -> None:
    samples, events = Samples(), list[Event]()
    record: Callable[[Event], None] = events.append
    with pytest.raises(CheckError, match=f"'b' could not be timed on 'adb:phone', {message}"):
        time_models(_tool(phone, tmp_path, 2.0), _job(tmp_path, {"a": "x" * 9, "b": content}), samples, record)
    assert set(samples.visits) == {(0, "a"), (1, "a")}
    assert left_in(phone.root) == []
    shutil.rmtree(phone.root / "data/local/tmp/proxyless")


def test_a_phone_unplugged_from_benchmark_model(phone: Phone, tmp_path: Path) -> None:
    events: list[Event] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if len(events) == 2:
            phone.unplug()

    job = _job(tmp_path, {"a": "x" * 9, "b": "x" * 8, "c": "x" * 7})
    time_models(_tool(phone, tmp_path), job, Samples(), on_event)
    visits = Counter((event["round"], event["id"]) for event in events if event["event"] == "sample")
    assert visits == dict.fromkeys(job.schedule, 1)


_SUMMARY = (
    "INFO: Inference timings in us: Init: 3501, First inference: 156677, Warmup (avg): 43268.1, Inference (avg): "
)


@pytest.mark.parametrize(
    ("printed", "ms"),
    [
        ("count=50 first=33228 curr=33130 min=32687 max=33239 avg=33071.8 std=129\n" + _SUMMARY + "33071.8\n", 33.0718),
        (
            "count=25 first=9 curr=1 min=1 max=9 avg=145528 std=3 p5=1 median=141253 p95=9\n" + _SUMMARY + "145528",
            141.253,
        ),
        ("count=50 curr=4(all same)\n\n" + _SUMMARY + "4", 0.004),
        (  # LiteRT's own tool, which has its summary in other words
            "count=1 curr=20000\ncount=91 first=11600 curr=11000 min=10900 max=12000 avg=11090 std=120\n"
            "Inference (avg):      11.09 ms (91 runs)\n",
            11.09,
        ),
        (  # TFLite of 2019
            "count=50 first=9 curr=8 min=8 max=9 avg=8500.5 std=2\n"
            "Average inference timings in us: Warmup: 9, no stats: 8",
            8.5005,
        ),
        ("count=3 first=1 curr=1 min=1 max=1 avg=nan std=0", None),
        (_SUMMARY + "1.00753e+06", 1007.53),
        ("INFO: STARTING!\nERROR: Failed to load model nothing.tflite\n", None),
    ],
)
def test_what_benchmark_model_prints_is_understood(printed: str, ms: float | None) -> None:
    assert parse_ms(printed) == pytest.approx(ms)


def test_what_benchmark_model_cannot_do_is_refused(phone: Phone, tmp_path: Path) -> None:
    tool = _tool(phone, tmp_path)
    job = Job(find_runtime("onnxruntime").runner, {}, ())
    with pytest.raises(InputError, match="runs TFLite only; choose --runtime litert"):
        tool.run(job, lambda event: None)
    with pytest.raises(InputError, match="choose batch 1, not 4"):
        tool.run(Job(find_runtime("litert").runner, {}, (), batch=4), lambda event: None)


def test_a_phone_that_is_not_there(phone: Phone, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"device 'nobody' not found.; 'adb devices' lists what is connected"):
        find_device("adb:nobody").run(_job(tmp_path, {"a": "x"}), lambda event: None)


def test_a_phone_without_python(phone: Phone, tmp_path: Path) -> None:
    device = find_device(f"adb:{_serial(phone)}?python=/system/bin/python3")
    with pytest.raises(DeviceError, match=r"has no '/system/bin/python3'; install Python 3.8 or later"):
        device.run(_job(tmp_path, {"a": "x"}), lambda event: None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adb:", "write adb:SERIAL"),
        ("adb:-s", "write adb:SERIAL"),
        ("adb:1?benchmark_model=/nowhere/tool", "there is no file /nowhere/tool"),
        ("adb:1?benchmark_model=", "'benchmark_model' is not understood"),
        ("adb:1?python=a&benchmark_model=b", "names two ways of timing"),
        ("adb:1?python=a&python=b", "has an option twice"),
    ],
)
def test_a_name_that_is_not_understood(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_device(name)


@pytest.mark.parametrize("serial", ["R58M12ABCDE", "emulator-5554", "192.168.1.7:5555", "[fe80::1]:5555"])
def test_serials_as_adb_shows_them(serial: str) -> None:
    device = find_device(f"adb:{serial}?python=~/bin/python")
    assert isinstance(device, RemoteDevice) and device.link.command("true")[:3] == ["adb", "-s", serial]
    assert device.python == "~/bin/python"
