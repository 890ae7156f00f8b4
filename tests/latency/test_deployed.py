"""Files next to anchors, on a device whose disturbance is known."""

import logging
from pathlib import Path

import numpy as np
import pytest

from latency.deployed import Conditions, DeployedLatency, Enough, measure_files
from latency.devices import Job
from latency.devices.base import OnEvent
from proxyless.cli.console import show_notices
from proxyless.space import Anchor, Target, tiny_fixed
from tests.helpers import MIXED_OPS

_TARGET = Target(runtime="onnxruntime", delegate="cpu")
_TRUTH_MS = {"file": 3.0, "anchor 0": 1.0, "anchor 1": 2.0, "anchor 2": 4.0}


class _Device:
    """Per session, how much slower the file and the anchors are; the last one lasts. slow_anchor: of one anchor, in the
    first session alone."""

    name = "fake"

    def __init__(self, sessions: list[tuple[float, float]], noise: float = 0.0, slow_anchor: float = 1.0) -> None:
        self.sessions, self.noise, self.slow_anchor, self.done = sessions, noise, slow_anchor, 0
        self.rng = np.random.default_rng(0)

    def run(self, job: Job, on_event: OnEvent) -> None:
        file, anchors = self.sessions[min(self.done, len(self.sessions) - 1)]
        self.done += 1
        on_event({"event": "ready", "runtime": "fake 1"})
        for number, item in job.schedule:
            slow = (file if item == "file" else anchors) * (1 + self.noise * self.rng.exponential())
            slow *= self.slow_anchor if item == "anchor 0" and self.done == 1 else 1.0
            on_event({"event": "sample", "round": number, "id": item, "ms": [slow * _TRUTH_MS[item]]})


@pytest.fixture
def without_waits() -> None:
    """Here they are what is tested."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("latency.deployed.time.sleep", slept.append)
    return slept


def _measure(device: _Device, tmp_path: Path, enough: Enough = lambda found: False) -> DeployedLatency:
    anchors = [Anchor(ops=MIXED_OPS.split(), ms=_TRUTH_MS[f"anchor {i}"]) for i in range(3)]
    conditions = Conditions(_TARGET, tiny_fixed(), tuple(anchors))
    return measure_files({"file": tmp_path / "file.onnx"}, device, conditions, enough=enough)["file"]


@pytest.mark.parametrize("speed", [1.0, 0.8])
def test_an_undisturbed_device_is_measured_once(speed: float, tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(speed, speed)], noise=0.05)
    found = _measure(device, tmp_path)
    assert found.at_profiled_speed_ms == pytest.approx(3.0, rel=0.01) and found.slowness == pytest.approx(
        speed, rel=0.01
    )
    assert device.done == 1 and not waits


def test_a_disturbance_that_passes_is_waited_for(tmp_path: Path, waits: list[float]) -> None:
    """It slows the file down more than the anchors: normalising by them would not be enough."""
    device = _Device([(1.5, 1.2), (1.1, 1.05), (1.0, 1.0)])
    assert _measure(device, tmp_path).at_profiled_speed_ms == pytest.approx(3.0)
    assert device.done == 3 and waits == [10.0, 20.0]


def test_a_wait_is_said_on_standard_error(
    tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("latency")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    show_notices()
    _measure(_Device([(1.5, 1.2), (1.0, 1.0)]), tmp_path)
    said = capsys.readouterr()
    assert said.err == "something else slows fake down: measuring again in 10 s\n" and not said.out


def test_a_device_that_has_become_slower_is_not_waited_for_twice(tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(1.3, 1.3)])
    found = _measure(device, tmp_path)
    assert found.measured_ms == pytest.approx(3.9) and found.at_profiled_speed_ms == pytest.approx(3.0)
    assert device.done == 2 and waits == [10.0]


def test_a_quiet_session_counts_more_than_one_with_a_single_slow_anchor(tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(1.2, 1.0), (1.01, 1.01)], slow_anchor=1.06)
    assert _measure(device, tmp_path).measured_ms == pytest.approx(3.03)
    assert device.done == 2


def test_of_sessions_that_are_all_disturbed_the_least_counts(tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(1.5, 1.2), (1.1, 1.05), (1.6, 1.3)])
    found = _measure(device, tmp_path)
    assert found.measured_ms == pytest.approx(3.3) and found.at_profiled_speed_ms == pytest.approx(3.3 / 1.05)
    assert device.done == 3


def test_timings_that_do_not_repeat_are_a_disturbance(tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(1.0, 1.0)], noise=3.0)
    _measure(device, tmp_path)
    assert device.done == 3


@pytest.mark.parametrize(("limit_ms", "sessions"), [(4.0, 1), (3.5, 2)])
def test_nothing_is_waited_for_where_what_was_found_is_enough(
    limit_ms: float, sessions: int, tmp_path: Path, waits: list[float]
) -> None:
    """The first session finds 3.75 ms."""
    device = _Device([(1.5, 1.2), (1.0, 1.0)])
    _measure(device, tmp_path, lambda found: found["file"].at_profiled_speed_ms < limit_ms)
    assert device.done == sessions and len(waits) == sessions - 1


def test_without_anchors_there_is_nothing_to_tell_a_disturbance_by(tmp_path: Path, waits: list[float]) -> None:
    device = _Device([(1.0, 1.0)], noise=3.0)
    measure_files({"file": tmp_path / "file.onnx"}, device, Conditions(_TARGET, tiny_fixed()))
    assert device.done == 1 and not waits
