"""A folder is replaced in one step: a program that is killed at any point leaves the earlier one or the new one."""

import subprocess
import sys
from pathlib import Path

import pytest

from proxyless import swap
from proxyless.swap import put_in_place, recover

_KILLED = """
import os, sys
from pathlib import Path
from proxyless import swap

new, folder, kill_at, can_exchange = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
count = 0

def counted(step):
    def run(*arguments, **named):
        global count
        if count == kill_at:
            os._exit(9)
        count += 1
        return step(*arguments, **named)
    return run

Path.replace, swap._exchange = counted(Path.replace), counted(swap._exchange if can_exchange else lambda *_: False)
os.unlink, os.rmdir = counted(os.unlink), counted(os.rmdir)
swap.put_in_place(new, folder)
"""


def _folder(path: Path, text: str) -> Path:
    path.mkdir()
    for name in ("one", "two"):
        (path / name).write_text(text)
    return path


def _text(folder: Path) -> set[str]:
    return {(folder / name).read_text() for name in ("one", "two")}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_at_any_step_leaves_the_earlier_folder_or_the_new_one(can_exchange: bool, tmp_path: Path) -> None:
    seen, kill_at, code = [], 0, 9
    while code == 9:
        place = tmp_path / str(kill_at)
        place.mkdir()
        folder, new = _folder(place / "model", "earlier"), _folder(place / ".model-1", "new")
        command = [sys.executable, "-c", _KILLED, str(new), str(folder), str(kill_at), str(can_exchange)]
        code = subprocess.run(command, check=False).returncode
        if can_exchange:
            assert folder.exists()
        recover(folder)
        (found,) = _text(folder)
        assert not any(path.name.endswith("earlier") for path in place.iterdir())
        seen.append(found)
        kill_at += 1
    assert code == 0 and seen[0] == "earlier" and seen[-1] == "new" and len(seen) > 4
    assert sorted(seen) == seen  # once it is new it stays so


def test_a_folder_takes_the_place_of_none(tmp_path: Path) -> None:
    put_in_place(_folder(tmp_path / "new", "new"), tmp_path / "model")
    assert _text(tmp_path / "model") == {"new"} and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_where_folders_cannot_be_exchanged_the_earlier_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    folder = _folder(tmp_path / "model", "earlier")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "gone", folder)
    assert _text(folder) == {"earlier"}
    put_in_place(_folder(tmp_path / "new", "new"), folder)
    assert _text(folder) == {"new"} and [path.name for path in tmp_path.iterdir()] == ["model"]
