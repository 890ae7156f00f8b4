"""Places that an export cannot be written to: one sentence, and what was there stays."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxyless.cli.main import app


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _export(trained: Path, output: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", str(trained), "--format", "onnx", "-o", str(output)])
    return result.exit_code, result.stderr


@pytest.mark.slow
def test_a_full_disk(small: Path, small_disk: Path) -> None:
    code, errors = _export(small, small_disk / "model")
    assert code == 1 and "No space left on device" in errors.splitlines()[-1]
    assert all(line.startswith("export: ") for line in errors.splitlines()[:-1])  # progress
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/model", "/dev/null/model"])
def test_a_folder_that_cannot_be_written_to(small: Path, place: str) -> None:
    code, errors = _export(small, Path(place))
    assert code == 2 and "choose another output" in errors and errors.count("\n") == 1


def test_a_place_that_is_taken(small: Path, tmp_path: Path) -> None:
    taken = tmp_path / "model"
    taken.write_text("a file")
    code, errors = _export(small, taken)
    assert code == 2 and "is a file; choose a folder" in errors and taken.read_text() == "a file"
