"""Two processes compute what one does with the same batch, by every strategy; only the first one writes and prints."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from proxyless.checkpoint import load_checkpoint
from proxyless.cli.main import app
from proxyless.search.result import CHECKPOINT
from proxyless.space import tiny_fixed
from tests.helpers import table_by_macs
from tests.search.in_processes import CASES, main
from tests.search.torchrun import torchrun

_SPACE = tiny_fixed(resolution=16)


@dataclass(frozen=True)
class Both:
    """Folders with what one process and what two made, and what those two printed at the end."""

    one: Path
    two: Path
    stdout: str

    def checkpoints(self, name: str) -> list[dict[str, Any]]:
        return [load_checkpoint(folder / name) for folder in (self.one, self.two)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    table_by_macs(_SPACE).save(two / "table.json")
    threads = torch.get_num_threads()
    main(one)
    torch.set_num_threads(threads)
    done = torchrun("tests.search.in_processes", two)
    assert done.returncode == 0, done.stderr
    return Both(one, two, done.stdout)


def _largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_search_in_two_processes_is_the_search_in_one(case: str, both: Both) -> None:
    one, two = both.checkpoints(f"{case}.pt")
    assert one["path"] == two["path"]
    assert _largest_difference(one["supernet"], two["supernet"]) < 5e-5
    for a, b in zip(one["log_probs"], two["log_probs"], strict=True):
        # Operations that shared weights differ little, and Adam divides by the size of a gradient: rounding, magnified.
        assert a == pytest.approx(b, abs=3e-2)
    if case != "evolution":
        assert max(max(row) - min(row) for row in one["log_probs"]) > 0.1
    for a, b in zip(one["history"], two["history"], strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert a["held_out_accuracy"] == pytest.approx(b["held_out_accuracy"])


@pytest.mark.slow
def test_a_training_in_two_processes_is_the_training_in_one(both: Both) -> None:
    one, two = both.checkpoints("train.pt")
    assert _largest_difference(one["network"], two["network"]) < 1e-5
    losses = [[epoch["train_loss"] for epoch in run["history"]] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_the_commands_search_resume_and_train_in_two_processes(both: Both) -> None:
    run, trained = both.two / "run", both.two / "trained"
    architecture = json.loads((run / "architecture.json").read_text())
    assert len((run / "log.jsonl").read_text().splitlines()) == 2
    for name in ("search", "resume"):
        first, second = (json.loads((both.two / f"{name}-{rank}.json").read_text()) for rank in (0, 1))
        assert first["code"] == second["code"] == 0, first["stderr"]
        assert json.loads(first["stdout"]) == architecture and second["stdout"] == ""
    assert json.loads(both.stdout) == json.loads((trained / "trained.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (15, "a batch of 15 images cannot be shared equally by 2 processes"),  # which both notice
        (16, "holds a run already; add --resume"),  # which the first one does, while the other waits for it
    ],
)
def test_what_is_refused_is_refused_once_and_ends_all(batch: int, message: str, tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "table.json")
    (tmp_path / "run").mkdir()
    if "holds" in message:
        (tmp_path / "run" / CHECKPOINT).touch()
    flags = f"--space tiny-fixed --data synthetic:240 --budget 60% --batch-size {batch} --device cpu"
    done = torchrun(
        "proxyless.cli.main", "search", *flags.split(), "--table", tmp_path / "table.json", "-o", tmp_path / "run"
    )
    assert done.returncode != 0
    assert done.stderr.count(message) == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_commands_of_one_process_are_refused(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("proxyless.cli.console.time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    result = CliRunner().invoke(app, ["spaces"])
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.count("'spaces' runs in one process, and 2 were started") == 1
    assert len(waited) == rank  # for torchrun, which ends the other before it says the same
