"""What a device says, as events: the honest ones are handed over, and nothing else ever becomes a measurement."""

import sys
import time
from pathlib import Path

import pytest

from latency.devices import Event, Job
from latency.devices.attempts import run_schedule
from latency.devices.base import DeviceError, OnEvent
from latency.devices.events import events_only
from latency.devices.lines import Ended, run_lines
from latency.partial import PartialFile
from proxyless.errors import InputError

_READY = '{"event": "ready", "runtime": "x 1.0", "processor": "y"}\n'


def test_only_events_are_handed_over() -> None:
    events: list[Event] = []
    lines = (_READY, "{not JSON}\n", '{"a": 1}\n', "hello\n", '{"event": "sample", "id": "cut o', "{" * 100_000)
    alive = [events_only(events.append)(line) for line in lines]
    assert events == [{"event": "ready", "runtime": "x 1.0", "processor": "y"}]
    assert alive == [True, False, False, False, False, False]


_SAMPLE = '{"event": "sample", "id": "a", "round": 0, "ms": %s}'


@pytest.mark.parametrize(
    "line",
    [
        *(_SAMPLE % ms for ms in ("[NaN]", "[Infinity]", "[1e999]", "[-1]", "[0]", "[1e-300]", "[1e300]", "[]", "3")),
        *(_SAMPLE % ms for ms in ('["1"]', "[[1]]", "null", "{}", "[true]", f"[{'9' * 400}]")),
        '{"event": "sample", "id": "a", "ms": [1]}',
        '{"event": "sample", "id": 3, "round": 0, "ms": [1]}',
        '{"event": "sample", "id": "a", "round": "0", "ms": [1]}',
        '{"event": "sample", "id": "a", "round": -1, "ms": [1]}',
        '{"event": "failed", "id": "a", "round": 0}',
        '{"event": "failed", "id": "a", "round": 0, "error": ["x"]}',
        '{"event": "ready"}',
        '{"event": "ready", "runtime": 3}',
        '{"event": "exit"}',
        '{"event": "exit", "code": "0"}',
        '{"event": "memory", "peak_bytes": -5}',
        '{"event": "loaded", "item": "a", "inputs": {"x": [["1"], "float32"]}}',
        '{"event": "surprise"}',
        '{"event": ["ready"]}',
        '{"event": null}',
    ],
)
def test_what_no_program_of_ours_says_is_refused_in_one_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="the device sent what no timing program sends") as error:
        events_only(lambda event: None)(line)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    table = tmp_path / "table.json"
    (tmp_path / "table.json.partial").write_text(f"{{}}\n{line}\n")
    with pytest.raises(InputError, match=r"is damaged .*; delete it to start over"):
        PartialFile(table, {})


@pytest.mark.parametrize("visit", [(1, "a"), (0, "b")])
def test_a_visit_that_was_not_asked_for_is_refused(visit: tuple[int, str]) -> None:
    def attempt(job: Job, on_event: OnEvent) -> Ended:
        on_event({"event": "ready", "runtime": "x"})
        on_event({"event": "sample", "round": visit[0], "id": visit[1], "ms": [1.0]})
        return Ended(0, "")

    seen: list[Event] = []
    job = Job(Path("runner.py"), {"a": Path("a")}, ((0, "a"),))
    with pytest.raises(DeviceError, match="a visit that was not asked for"):
        run_schedule("board", job, attempt, seen.append)
    assert [event["event"] for event in seen] == ["ready"]


def test_control_characters_never_come_through() -> None:
    events: list[Event] = []
    events_only(events.append)(_READY.replace("x 1.0", "x\\u001b[31m\\u0007"))
    assert events[0]["runtime"] == "x?[31m?"
    assert Ended(1, "\x1b]0;title\x07 broke").reason.endswith("?]0;title? broke")


def _run(program: str, silence_s: float) -> tuple[Ended, int, float]:
    """A program, as a device; how it ended, how many lines it said, and seconds."""
    lines = [0]

    def count(line: str) -> bool:
        lines[0] += 1
        return line.startswith("life")

    start = time.monotonic()
    ended = run_lines([sys.executable, "-c", program], count, silence_s)
    return ended, lines[0], time.monotonic() - start


def test_noise_is_no_sign_of_life() -> None:
    ended, _, seconds = _run("import time\nwhile True: print('noise', flush=True); time.sleep(0.02)", 1.0)
    assert ended.silent_s == 1.0 and seconds < 5
    ended, _, _ = _run("import time\nfor _ in range(8): print('life', flush=True); time.sleep(0.25)", 1.0)
    assert ended.code == 0 and not ended.silent_s


def test_a_line_without_an_end_takes_no_memory() -> None:
    """Of 200 MB without a line's end nothing is kept, and what follows is read."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    program = "import sys\nfor _ in range(200): sys.stdout.write('x' * 10**6)\nprint(); print('life')"
    ended, lines, _ = _run(program, 60.0)
    assert ended.code == 0 and lines == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
