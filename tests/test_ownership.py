"""One command writes to an output and one measures, however the others ended; nothing is left of those."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from proxyless import ownership
from proxyless.errors import InputError
from proxyless.ownership import measuring, owned_file, owned_folder, owns_folder
from proxyless.temporary import stage_beside, temporary_folder


def _holder(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Another process that says when it has begun."""
    program = "import sys, time\nfrom pathlib import Path\nfrom proxyless import ownership, temporary\n" + code
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "holds\n"
    return process


_HOLD = "with ownership.owned_folder(Path(sys.argv[1])):\n  print('holds', flush=True); time.sleep(60)"


def test_a_folder_has_one_writer_and_the_refusal_names_it(tmp_path: Path) -> None:
    process = _holder(_HOLD, tmp_path / "out")
    try:
        refusal = f"another command is writing to .*out: process {process.pid} \\(-c"
        with pytest.raises(InputError, match=refusal), owned_folder(tmp_path / "out"):
            pass
        process.kill()
        process.wait()
        with owned_folder(tmp_path / "out"):  # a lock ends with its process
            assert (tmp_path / "out" / ".proxyless.lock").exists()
        assert not (tmp_path / "out" / ".proxyless.lock").exists()
    finally:
        process.kill()


def test_folders_that_were_made_for_a_lock_alone_are_not_left(tmp_path: Path) -> None:
    @owns_folder
    def refuse(output: Path | str, other: int = 0) -> None:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        refuse(tmp_path / "a" / "b")
    with pytest.raises(InputError, match="no"):
        refuse(other=1, output=str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []
    with owned_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_half_written_files_of_a_killed_command_are_swept(tmp_path: Path) -> None:
    living = f".table.json.{os.getpid()}.tmp"
    others = (".table.json.4194399.tmp", ".other.json.4194399.tmp", ".table.json.mine.tmp", "table.json.partial")
    for name in (living, *others):
        (tmp_path / name).touch()
    with owned_file(tmp_path / "table.json"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {living, *others[1:]}
    with owned_folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {living, *others[2:]}
    for odd in ("a**b", "m[1]"):  # patterns, for a shell
        with owned_file(tmp_path / odd), stage_beside(tmp_path / odd):
            pass


def test_what_a_process_forks_does_not_keep_its_lock(tmp_path: Path) -> None:
    code = "import os\nwith ownership.owned_folder(Path(sys.argv[1])):\n"
    code += "  if os.fork() == 0:\n    time.sleep(30); os._exit(0)\n  print('holds', flush=True); time.sleep(60)"
    process = _holder(code, tmp_path / "out")
    with pytest.raises(InputError, match="another command is writing"), owned_folder(tmp_path / "out"):
        pass
    process.kill()
    process.wait()
    with owned_folder(tmp_path / "out"):
        pass


def test_measuring_waits_for_a_short_measurement_and_refuses_beside_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ownership, "_MEASURING_S", 0.5)
    started, over = threading.Event(), threading.Event()

    def measure() -> None:
        with measuring():
            started.set()
            over.wait(10)

    other = threading.Thread(target=measure)
    other.start()
    started.wait(10)
    with pytest.raises(InputError, match="another command is measuring on this machine: process"), measuring():
        pass
    over.set()
    other.join()
    with measuring(), measuring():  # a part of a whole
        pass
    assert list(tmp_path.iterdir()) == []


def test_stages_and_temporary_folders_of_killed_programs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("proxyless.temporary._STALE_S", -1.0)
    code = "import tempfile; tempfile.tempdir = sys.argv[1]\n"
    code += "with temporary.temporary_folder(), temporary.stage_beside(Path(sys.argv[1]) / 'model'):\n"
    code += "  print('holds', flush=True); time.sleep(60)"
    process = _holder(code, tmp_path)
    theirs = [tmp_path / "model", tmp_path / ".model-backup", tmp_path / "proxyless-results"]
    for folder in theirs:
        folder.mkdir()
    try:
        with temporary_folder(), stage_beside(tmp_path / "model"):
            assert len(list(tmp_path.iterdir())) == len(theirs) + 4  # what a living program holds stays
        process.kill()
        process.wait()
        with temporary_folder(), stage_beside(tmp_path / "model"):
            assert len(list(tmp_path.iterdir())) == len(theirs) + 2
        assert sorted(tmp_path.iterdir()) == sorted(theirs)
    finally:
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not kill children with their parent")
def test_children_die_with_their_parent(tmp_path: Path) -> None:
    child = "import os, sys, time; from proxyless.lifetime import die_with_parent; die_with_parent(int(sys.argv[1])); "
    child += "print(os.getpid(), flush=True); time.sleep(60)"
    parent = "import subprocess, sys, os, time; "
    parent += f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    number = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _is_alive(number):
        time.sleep(0.05)
    assert not _is_alive(number)


def _is_alive(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_profile_in_order(signum: int, tmp_path: Path) -> None:
    """Nothing runs on, nothing lies about, and what was measured is kept."""
    table, temporary = tmp_path / "out" / "table.json", tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "proxyless.cli.main", "profile", "--space", "tiny-fixed", "--resolution", "32"]
    process = subprocess.Popen(
        [*command, "--runtime", "onnxruntime", "--rounds", "200", "-o", str(table)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    partial = table.with_name("table.json.partial")
    while time.monotonic() < deadline and not (partial.exists() and partial.stat().st_size > 2000):
        time.sleep(0.1)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == (130 if signum == signal.SIGINT else 128 + signum)
    assert errors.startswith("interrupted: ") and len(errors.splitlines()) == 1
    assert [path.name for path in table.parent.iterdir()] == ["table.json.partial"]
    assert list(temporary.glob("proxyless-*")) == []  # ONNX Runtime leaves a file of its own
    with pytest.raises(ProcessLookupError):  # of its whole group
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
