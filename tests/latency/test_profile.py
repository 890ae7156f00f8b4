"""Profiling: coverage, interruption, and devices that fail."""

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latency.devices import Event, Job, LocalDevice, find_device
from latency.partial import PartialFile
from latency.plan import spanning_networks
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from latency.timing import Samples, VisitCount, make_schedule, time_models
from proxyless.errors import CheckError, InputError
from proxyless.ops import layer_parts
from proxyless.space import Space, build_space, network_cost, tiny_fixed

_SPACE = tiny_fixed(resolution=16, num_classes=3)
_QUICK = ProfileSettings(runtime="onnxruntime", calibrate=5, rounds=2)


def test_a_profile_covers_the_space_and_records_its_error(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    returned = profile(_SPACE, tmp_path / "t.json", _QUICK, lambda done, total: seen.append((done, total)))
    table = LatencyTable.load(tmp_path / "t.json")
    assert returned.costs(_SPACE).max_ms == table.costs(_SPACE).max_ms
    costs = table.costs(_SPACE)
    assert costs.constant_ms > 0 and all(factor.values.min() >= 0 for factor in costs.factors)
    assert table.fit is not None and table.fit.nets == 5
    assert [net.ops for net in table.fit.networks] == [list(ops) for ops in spanning_networks(_SPACE, 5, 0)]
    assert table.stability is not None and len(table.stability.course) == 102
    assert len(table.anchors) == 5
    assert table.runtime.name == "onnxruntime" and table.runtime.threads == 1
    assert seen[-1] == (2 * (46 + 5), 2 * (46 + 5))
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_cells_are_measured_in_parts_and_calibrated_as_networks(tmp_path: Path) -> None:
    space = build_space("nasbench201", {"resolution": 8, "num_classes": 3, "cells": 1})
    table = profile(space, tmp_path / "t.json", _QUICK)
    assert len(table.fixed) + len(table.rows) == len(space.specs()) == 20
    again = LatencyTable.load(tmp_path / "t.json")
    costs = again.costs(space)
    for ops in spanning_networks(space, 5, 1):
        parts = [part for spec in space.network(ops) for part in layer_parts(spec)]
        by_hand = again.overhead_ms + sum(again.lookup(part) for part in parts)
        assert costs.ms(space.ops_path(ops)) == pytest.approx(by_hand) == again.predict(space.network(ops))


class _Interrupted(KeyboardInterrupt):
    pass


def test_an_interrupted_profile_measures_nothing_twice(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 30:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        profile(_SPACE, tmp_path / "t.json", _QUICK, interrupt)
    partial = tmp_path / "t.json.partial"
    with partial.open("a") as file:
        file.write('{"event": "sample", "id": "cut o')  # what a kill in mid-write leaves
    first: list[int] = []
    profile(_SPACE, tmp_path / "t.json", _QUICK, lambda done, total: first.append(done))
    assert first[0] == 30  # the "ready" event of the second process
    assert first[-1] - first[0] == 102 - 30 == len(first) - 1
    assert not partial.exists()


def test_a_partial_file_of_another_profile_is_not_mixed_in(tmp_path: Path) -> None:
    started = json.dumps({"space": "other"}) + "\n"
    (tmp_path / "t.json.partial").write_text(started + '{"event": "sample", "round": 0, "id": "a", "ms": [1.0]}\n')
    with pytest.raises(InputError, match="unfinished profile with another"):
        profile(_SPACE, tmp_path / "t.json", _QUICK)
    (tmp_path / "t.json.partial").write_text(started)  # nothing was measured: nothing can be mixed
    profile(_SPACE, tmp_path / "t.json", _QUICK)
    (tmp_path / "t.json").unlink()
    (tmp_path / "t.json.partial").write_text("\x00\n")
    with pytest.raises(InputError, match=r"is damaged .*; delete it"):
        profile(_SPACE, tmp_path / "t.json", _QUICK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'; choose of litert, onnxruntime, torch, torch-cuda, ncnn"),
        ({"device": "telnet://pi"}, "unknown device 'telnet://pi'; choose local"),
        ({"threads": 0}, "threads: Input should be greater than or equal to 1 .got 0."),
        ({"calibrate": 3}, "calibrate: must be 0 or at least 5 networks .got 3."),
        ({"rounds": 1}, "rounds: Input should be greater than or equal to 2"),
        ({"delegate": "gpu"}, "has no delegate 'gpu'; choose of cpu"),
    ],
)
def test_bad_settings_get_one_sentence(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile(_SPACE, tmp_path / "t.json", ProfileSettings.make("profile", **(_QUICK.model_dump() | change)))


def test_a_device_that_is_too_noisy_gets_no_table_and_more_rounds_go_on_from_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, timed = random.Random(0), list[str]()

    def time_noisily(device: object, job: Job, samples: Samples, on_event: Callable[[Event], None]) -> None:
        events: list[Event] = [{"event": "ready", "runtime": "onnxruntime 1"}]
        for number, item in job.schedule:
            if (number, item) not in samples.visits:
                ms = len(item) * (rng.uniform(1, 3) if number < 10 else 1)
                events.append({"event": "sample", "id": item, "round": number, "ms": [ms]})
        for event in events:
            samples.add(event)
            on_event(event)
        timed.append(f"{len(events) - 1}")

    monkeypatch.setattr("latency.profile.time_models", time_noisily)
    with pytest.raises(
        CheckError, match=r"too noisy .* differ by \d+ % .at most 10 %.; .* with 20 rounds instead of 10"
    ):
        profile(_SPACE, tmp_path / "t.json", _QUICK.model_copy(update={"rounds": 10}))
    assert not (tmp_path / "t.json").exists()
    profile(_SPACE, tmp_path / "t.json", _QUICK.model_copy(update={"rounds": 20}))
    assert timed == [str(10 * 51), str(10 * 51)]


def test_a_finished_table_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(InputError, match="exists already"):
        profile(_SPACE, tmp_path / "t.json", _QUICK)


def _device(tmp_path: Path, runner: str, silence_s: float = 30.0) -> tuple[LocalDevice, Job]:
    (tmp_path / "runner.py").write_text(runner)
    (tmp_path / "a").touch()
    job = Job(tmp_path / "runner.py", {"a": tmp_path / "a"}, make_schedule(["a"], 2, 0), warmup_ms=0, visit_ms=0)
    return LocalDevice(silence_s), job


_FINE = "def version(): return 'fake 1'\n"


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (
            "import nothing_like_it\n",
            "the Python of local has no nothing_like_it; install it there: python3 -m pip install nothing_like_it",
        ),
        (_FINE + "import os\ndef load(*_): os._exit(7)\n", "failed with exit code 7"),
        (_FINE + "def load(*_): raise OSError('no such board')\n", "tried twice: OSError: no such board"),
    ],
)
def test_a_failing_program_is_reported_not_guessed(tmp_path: Path, runner: str, message: str) -> None:
    device, job = _device(tmp_path, runner)
    with pytest.raises(CheckError, match=message):
        time_models(device, job, Samples())


def test_a_hanging_program_is_stopped(tmp_path: Path) -> None:
    device, job = _device(tmp_path, _FINE + "import time\ndef load(*_): time.sleep(60)\n", silence_s=1.0)
    with pytest.raises(CheckError, match="silent for 1 s and was stopped"):
        time_models(device, job, Samples())


def test_a_visit_that_fails_once_is_tried_again(tmp_path: Path) -> None:
    flag = tmp_path / "failed-before"
    flaky = f"""
import pathlib
def load(*_):
    flag = pathlib.Path({str(flag)!r})
    if not flag.exists():
        flag.touch()
        raise OSError("busy")
    return (lambda: None), (lambda array: None), None, [1], "float32"
"""
    device, job = _device(tmp_path, _FINE + flaky)
    samples, events = Samples(), list[Event]()
    record: Callable[[Event], None] = events.append
    time_models(device, job, samples, record)
    assert [event["event"] for event in events].count("failed") == 1
    assert len(samples.visits) == 2


def test_a_failure_in_a_round_that_is_no_longer_asked_for_is_forgotten(tmp_path: Path) -> None:
    device, job = _device(tmp_path, _FINE + "def load(*_): return (lambda: 0), (lambda a: 0), None, [1], 'float32'\n")
    samples = Samples(failed={(70, "a"): "busy"})
    time_models(device, job, samples)
    assert len(samples.visits) == 2


def test_spanning_networks_are_distinct_and_reach_both_ends() -> None:
    networks = spanning_networks(_SPACE, 12, seed=0)
    assert len(set(networks)) == 12
    macs = [network_cost(_SPACE.network(ops)).macs for ops in networks]
    assert min(macs) == macs[0] and max(macs) == macs[1]


def test_unknown_device_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"choose local \(this machine\), ssh://user@host or adb:SERIAL"):
        find_device("pi")
    assert find_runtime("litert").check_delegate(None) == "xnnpack"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (replace(_SPACE, name="mine"), "unknown space 'mine'; choose of mobile, mobile-fixed, tiny"),
        (
            _SPACE.keeping([[0], *map(range, _SPACE.sizes[1:])]),
            "space 'tiny-fixed' is not what is registered under this name",
        ),
    ],
)
def test_a_space_that_a_search_would_refuse_is_not_measured(space: Space, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        profile(space, tmp_path / "t.json", _QUICK)
    assert list(tmp_path.iterdir()) == []


class _Counted(str):
    """An item that counts how often it is looked at, to be found in a set or compared."""

    looks = 0

    def __hash__(self) -> int:
        _Counted.looks += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        _Counted.looks += 1
        return super().__eq__(other)


@pytest.mark.parametrize("rounds", [10, 1000])
def test_an_event_costs_the_same_however_long_the_profile_is(rounds: int) -> None:
    schedule = make_schedule([_Counted(item) for item in "abc"], rounds, 0)
    count = VisitCount(schedule, schedule[:5])
    assert (count.done, count.total) == (5, 3 * rounds)
    _Counted.looks = 0
    for number, item in schedule[5:]:
        count.add({"event": "sample", "round": number, "id": item, "ms": [1.0]})
        count.add({"event": "failed", "round": number, "id": item, "error": "any"})
    assert count.done == count.total
    assert _Counted.looks <= 5 * len(schedule)


def test_samples_outlive_the_program_at_once_and_the_machine_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, synced = [100.0], list[int]()
    monkeypatch.setattr("latency.partial.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    with PartialFile(tmp_path / "t.json", {}) as partial:
        for number in range(25):
            partial.add({"event": "sample", "round": number, "id": "a", "ms": [1.0]})
            assert len((tmp_path / "t.json.partial").read_text().splitlines()) == number + 2
            clock[0] += 0.125
    assert len(synced) == 4 and synced[-1] == (tmp_path / "t.json.partial").stat().st_size
