"""Runs to report on: made once, copied for every test that changes them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxyless.cli.main import app
from proxyless.space import tiny_fixed
from proxyless.workflow.report import collect
from tests.helpers import table_by_macs

QUICK = {
    "search": "--warmup-epochs 8 --epochs 2 --batch-size 16 --device cpu",
    "train": "--epochs 12 --batch-size 16 --device cpu",
    "derive": "--candidates 2",
}
"""What makes a command short."""

SPACE = tiny_fixed(resolution=16)


def invoke(line: str) -> None:
    """Run a command; it must succeed."""
    words = line.split()
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, f"{line}: {result.stderr}"


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search, without anything made from it; a layer costs a millisecond per million multiply-accumulates."""
    folder = tmp_path_factory.mktemp("searched")
    table_by_macs(SPACE).save(folder / "table.json")
    table = folder / "table.json"
    search = f"search --space tiny-fixed --data synthetic:160 --table {table} --budget 60% -o {folder / 'run'}"
    invoke(f"{search} {QUICK['search']}")
    return folder / "run"


@pytest.fixture(scope="session")
def complete(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after the commands that its report names, in their order."""
    folder = tmp_path_factory.mktemp("complete") / "run"
    shutil.copytree(searched, folder)
    for command in collect(folder).missing:
        line = command.line.removeprefix("proxyless ").replace("onnx,tflite", "onnx")
        invoke(f"{line} {QUICK.get(line.split()[0], '')}")
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a run, so that a test may change it."""

    def copied(run: Path) -> Path:
        return Path(shutil.copytree(run, tmp_path / "run"))

    return copied
