"""Two processes compute what one does with the same batch, by every strategy; only the first one writes and prints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.checkpoint import load_checkpoint
from proxyless.space import tiny
from tests.helpers import table_by_macs
from tests.search.in_processes import CASES, main

_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
_TIMEOUT_S = 500
_SPACE = tiny(resolution=16)


def _torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process group of its own, of which nothing is left over afterwards."""
    command = [*_TORCHRUN, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        finally:
            left_over = _end_group(process.pid)
    assert not left_over
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end_group(group: int) -> bool:
    """Whether a process of the group was still there a second later."""
    deadline = time.monotonic() + 1
    try:
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders with what one process and what two made."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    threads = torch.get_num_threads()
    main(one)
    torch.set_num_threads(threads)
    done = _torchrun("tests.search.in_processes", two)
    assert done.returncode == 0, done.stderr
    return one, two


def _largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_search_in_two_processes_is_the_search_in_one(case: str, both: tuple[Path, Path]) -> None:
    one, two = (load_checkpoint(folder / f"{case}.pt") for folder in both)
    assert one["path"] == two["path"]
    assert _largest_difference(one["supernet"], two["supernet"]) < 1e-5
    for a, b in zip(one["log_probs"], two["log_probs"], strict=True):
        # Operations that shared weights differ little, and Adam divides by the size of a gradient: rounding, magnified.
        assert a == pytest.approx(b, abs=3e-2)
    if case != "evolution":
        assert max(max(row) - min(row) for row in one["log_probs"]) > 0.1
    for a, b in zip(one["history"], two["history"], strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert a["held_out_accuracy"] == pytest.approx(b["held_out_accuracy"])


@pytest.mark.slow
def test_a_training_in_two_processes_is_the_training_in_one(both: tuple[Path, Path]) -> None:
    one, two = (load_checkpoint(folder / "train.pt") for folder in both)
    assert _largest_difference(one["network"], two["network"]) < 1e-5
    losses = [[epoch["train_loss"] for epoch in run["history"]] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_the_commands_search_resume_and_train_in_two_processes(tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "table.json")
    flags = "--space tiny --data synthetic:240 --budget 60% --warmup-epochs 1 --epochs 1 --batch-size 16 --device cpu"
    run = tmp_path / "run"
    common = ["proxyless.cli.main", "search", *flags.split(), "--table", tmp_path / "table.json", "-o", run]
    done = _torchrun(*common, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((run / "architecture.json").read_text())
    assert len((run / "log.jsonl").read_text().splitlines()) == 2
    first = json.loads((run / "architecture.json").read_text())
    again = _torchrun(*common, "--json", "--resume")
    assert again.returncode == 0 and json.loads(again.stdout) == first
    refused = _torchrun(*common)
    assert refused.returncode != 0 and refused.stderr.count("holds a run already; add --resume") == 1
    trained = tmp_path / "trained"
    flags = "--data synthetic:240 --epochs 2 --batch-size 16 --device cpu --json"
    done = _torchrun("proxyless.cli.main", "train", run, *flags.split(), "-o", trained)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((trained / "trained.json").read_text())


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_and_commands_of_one_process_are_refused_once(tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "table.json")
    flags = "--space tiny --data synthetic:240 --budget 60% --batch-size 15 --device cpu"
    common = ["search", *flags.split(), "--table", tmp_path / "table.json", "-o", tmp_path / "run"]
    done = _torchrun("proxyless.cli.main", *common)
    assert done.returncode != 0
    assert done.stderr.count("a batch of 15 images cannot be shared equally by 2 processes") == 1
    done = _torchrun("proxyless.cli.main", "spaces")
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.count("'spaces' runs in one process, and 2 were started") == 1
