"""`proxyless search` with every kind of limit."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxyless.cli.main import app
from proxyless.cli.search import _print
from proxyless.errors import InputError
from proxyless.search.result import Limits
from proxyless.space import Architecture, tiny_fixed
from proxyless.space.memory import peak_bytes
from proxyless.workflow import search
from tests.helpers import MIXED_OPS, architecture, table_by_macs

_SPACE = tiny_fixed(resolution=16)
_SHORT = "--space tiny-fixed --data synthetic:200 --warmup-epochs 0 --epochs 1 --batch-size 16 --device cpu --json"


def _search(folder: Path, *more: str) -> Architecture:
    result = CliRunner().invoke(app, ["search", *_SHORT.split(), *more, "-o", str(folder / "run")])
    assert result.exit_code == 0, result.stderr
    architecture = Architecture.load(folder / "run" / "architecture.json")
    assert json.loads(result.stdout) == architecture.document()
    return architecture


def test_parameters_macs_and_memory(tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "table.json")
    table = ["--table", str(tmp_path / "table.json"), "--budget", "90%"]
    found = _search(tmp_path, *table, "--max-params", "150k", "--max-macs", "1.5M", "--max-memory", "30kB")
    assert found.cost.params <= 150_000 and found.cost.macs <= 1_500_000
    assert peak_bytes(found.layers) <= 30_000
    derive = ["derive", str(tmp_path / "run"), "--budget", "80%", "-o", str(tmp_path / "networks"), "--json"]
    other = CliRunner().invoke(app, derive)
    assert other.exit_code == 0, other.stderr
    (path,) = (tmp_path / "networks").glob("*ms.json")
    kept = Architecture.load(path)
    assert kept.cost.params <= 150_000 and kept.cost.macs <= 1_500_000 and peak_bytes(kept.layers) <= 30_000


def test_one_network_for_two_targets(tmp_path: Path) -> None:
    table_by_macs(_SPACE).save(tmp_path / "one.json")
    table_by_macs(_SPACE, ms_per_mmac=3.0).save(tmp_path / "two.json")
    tables = ["--table", str(tmp_path / "one.json"), "--budget", "2ms", "--table", str(tmp_path / "two.json")]
    found = _search(tmp_path, *tables, "--budget", "4.5ms", "--strategy", "evolution", "--evaluations", "12")
    other = Architecture.load(tmp_path / "run" / "architecture.2.json")
    assert found.ops == other.ops and found.target and other.target
    assert found.target.predicted_ms <= 2.0 and other.target.predicted_ms <= 4.5
    assert abs(3 * found.target.predicted_ms - other.target.predicted_ms) < 1e-9
    log = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert len({bound["name"] for bound in log["bounds"]}) == 2


def test_every_target_and_every_limit_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = architecture(MIXED_OPS, _SPACE)
    board = table_by_macs(_SPACE, ms_per_mmac=3.0).changed(device={"name": "ssh://pi@board"})
    limits = Limits(max_params=250_000, max_memory_bytes=2e6)
    _print(found, [table_by_macs(_SPACE), board], ["2ms", "4.5ms"], limits, Path("run/architecture.json"))
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    needed_ms = found.cost.macs / 1e6
    for words in (
        "budget 2 ms on tflite on Google Pixel 1, 1 thread",
        f"predicted {needed_ms:.4g} ms, at most 2 ms",
        "budget 4.5 ms on tflite on ssh://pi@board, 1 thread",
        f"predicted {3 * needed_ms:.4g} ms, at most 4.5 ms",
        "limits at most 0.25 M parameters, at most 2 MB at the peak",
    ):
        assert words in printed


def test_a_search_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a search needs a latency table and a budget, got none"):
        search(_SPACE, "synthetic:200", [], [], tmp_path / "run", limits=Limits(max_params=200_000))
    assert not (tmp_path / "run").exists()
