"""A search or a training that is killed and resumed ends bit for bit as one that was not."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from proxyless.checkpoint import save_checkpoint
from proxyless.cli.main import app
from proxyless.space import tiny_fixed
from tests.helpers import MIXED_OPS, architecture, table_by_macs

SameFile = Callable[[Path, Path], bool]

_SPACE = tiny_fixed(resolution=16)


def _run_and_kill(arguments: list[str], folder: Path, at_epoch: int) -> None:
    command = [sys.executable, "-m", "proxyless.cli.main", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    log = folder / "log.jsonl"
    while not (log.exists() and len(log.read_text().splitlines()) >= at_epoch):
        assert process.poll() is None and time.monotonic() < deadline, "ended or hung before it could be killed"
        time.sleep(0.005)
    time.sleep(0.05)  # into the middle of the next epoch
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def _run(arguments: list[str]) -> None:
    """In this process, where other work went before: what a run draws and computes may not depend on it."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr


@pytest.fixture
def same_file(monkeypatch: pytest.MonkeyPatch) -> SameFile:
    """Of the benchmark: checkpoints are compared tensor by tensor, other files byte by byte."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import kill_resume

    return kill_resume.same_file


def test_a_file_that_differs_is_noticed(same_file: SameFile, tmp_path: Path) -> None:
    state = {"epoch": 1, "weights": [torch.ones(2)], "history": [{"loss": None}]}
    others: list[dict[str, object]] = [
        {**state, "epoch": 2},
        {**state, "weights": [torch.tensor([1.0, 1.0 + 1e-7])]},
        {**state, "history": [{"loss": 0.0}]},
        {"epoch": 1, "weights": [torch.ones(2)]},
    ]
    save_checkpoint(tmp_path / "a.pt", state)
    for other in others:
        save_checkpoint(tmp_path / "b.pt", other)
        assert not same_file(tmp_path / "a.pt", tmp_path / "b.pt")
    save_checkpoint(tmp_path / "b.pt", dict(state))
    assert same_file(tmp_path / "a.pt", tmp_path / "b.pt") and not same_file(tmp_path / "a.pt", tmp_path / "c.pt")


@pytest.mark.slow
def test_search_resumes_bit_for_bit_after_sigkill(same_file: SameFile, tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "table.json")
    flags = (
        "--space tiny-fixed --data synthetic:120 --budget 60% --warmup-epochs 2 --epochs 4 --batch-size 16 --device cpu"
    )
    common = ["search", *flags.split(), "--table", str(tmp_path / "table.json")]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    _run([*common, "-o", str(straight)])
    _run_and_kill([*common, "-o", str(killed)], killed, at_epoch=3)
    assert not (killed / "result.json").exists()
    _run([*common, "-o", str(killed), "--resume"])
    for name in ("checkpoint.pt", "architecture.json", "result.json", "log.jsonl"):
        assert same_file(straight / name, killed / name)
    assert [json.loads(line)["epoch"] for line in (killed / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_training_resumes_bit_for_bit_after_sigkill(same_file: SameFile, tmp_path: Path) -> None:
    architecture(MIXED_OPS, _SPACE).save(tmp_path / "a.json")
    flags = "--data synthetic:150 --epochs 5 --batch-size 16 --device cpu"
    common = ["train", str(tmp_path / "a.json"), *flags.split()]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    _run([*common, "-o", str(straight)])
    _run_and_kill([*common, "-o", str(killed)], killed, at_epoch=2)
    _run([*common, "-o", str(killed), "--resume"])
    for name in ("weights.safetensors", "last.safetensors", "trained.json", "log.jsonl"):
        assert same_file(straight / name, killed / name)
