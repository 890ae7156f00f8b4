"""The guard on the device: the timing program ends when nobody listens, and never runs beside another."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from latency.devices.pack import GUARD
from tests.latency.processes import left_in

_START = """
import json, sys
sys.path.insert(0, {folder!r})
import guard
guard.SILENCE_S, guard.LOCK_S = {silence_s}, 1.0
code = guard.run("program.py", "job.json")
print(json.dumps({{"event": "exit", "code": code}}))
"""
_SLEEPS = "import time\nprint('started', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    found: list[subprocess.Popen[str]] = []
    yield found
    for process in found:
        process.terminate()  # it takes its program along
        with process:
            process.wait()


def _start(tmp_path: Path, name: str, program: str, silence_s: float = 60.0) -> "subprocess.Popen[str]":
    folder = tmp_path / name
    folder.mkdir()
    (folder / "program.py").write_text(program)
    code = _START.format(folder=str(GUARD.parent), silence_s=silence_s)
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("code", [0, 7])
def test_it_says_how_the_program_ended(tmp_path: Path, code: int) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "program.py").write_text(f"import sys; print('out'); sys.exit({code})")
    command = [sys.executable, str(GUARD), "program.py", "job.json"]
    with subprocess.Popen(
        command, cwd=tmp_path / "job", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read().split()
    assert lines[0] == "out" and json.loads(" ".join(lines[1:])) == {"event": "exit", "code": code}


@pytest.mark.parametrize("gone", ["closed", "silent", "killed"])
def test_the_program_ends_when_the_other_side_is_gone(
    tmp_path: Path, gone: str, started: list["subprocess.Popen[str]"]
) -> None:
    guard = _start(tmp_path, "job", _SLEEPS, silence_s=1.0 if gone == "silent" else 60.0)
    started.append(guard)
    assert guard.stdout is not None and guard.stdin is not None
    assert guard.stdout.readline() == "started\n"
    if gone == "closed":
        guard.stdin.close()
    elif gone == "killed":
        guard.terminate()
    assert guard.stdout.read() == ""  # no word of an exit: to the other side the connection was lost
    assert left_in(tmp_path) == []


def test_a_second_program_waits_and_then_says_why_it_cannot_run(
    tmp_path: Path, started: list["subprocess.Popen[str]"]
) -> None:
    first = _start(tmp_path, "first", _SLEEPS)
    started.append(first)
    assert first.stdout is not None and first.stdout.readline() == "started\n"
    second = _start(tmp_path, "second", "print('never')")
    out, errors = second.communicate()
    assert json.loads(out) == {"event": "exit", "code": 75} and "another measurement is running" in errors


def test_it_needs_only_python_3_8() -> None:
    tree = ast.parse(GUARD.read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= set(sys.stdlib_module_names)
