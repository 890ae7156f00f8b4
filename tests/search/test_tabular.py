"""The benchmark on published tables, as a person runs it, on a table whose best networks are known."""

import io
import itertools
import json
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tabular.py"
_OPS = np.array(list(itertools.product(range(3), repeat=5)))
_LATENCY_MS = 1.0 + _OPS.sum(axis=1)
_ACCURACY = 50 + _OPS @ np.array([1.0, 2.0, 3.0, 4.0, 5.0])
"""Both known for all 243 networks: within 6 ms, the best one takes the last two layers twice and the third once."""


def _run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; in this process, because importing takes longer than the searches."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", [str(_SCRIPT), *map(str, arguments)]),
        patch.object(sys, "path", [str(_SCRIPT.parent), *sys.path]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            runpy.run_path(str(_SCRIPT), run_name="__main__")
        except SystemExit as left:
            return int(left.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def _write(path: Path, rows: np.ndarray[Any, Any] | None = None, **columns: Any) -> Path:
    rows = np.arange(len(_OPS)) if rows is None else rows
    data = {"arch_id": rows} | {name: [values[row] for row in rows] for name, values in columns.items()}
    pq.write_table(pa.table(data), path)
    return path


def _results(*arguments: object) -> dict[str, Any]:
    code, out, err = _run(*arguments, "--json")
    assert code == 0, err
    return {result["strategy"]: result for result in json.loads(out)["results"]}


def _budget(budget_ms: float) -> float:
    """The percentile that is these milliseconds."""
    return float(np.mean(np.sort(_LATENCY_MS) < budget_ms) * 100 + 0.3)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return _write(tmp_path / "all.parquet", ops=_OPS.tolist(), ms=_LATENCY_MS, top1=_ACCURACY, test=100 - _ACCURACY)


def test_the_best_network_within_the_budget(whole: Path) -> None:
    options = ("--latency", "ms", "--accuracy", "top1", "--report", "test", "--evaluations", 40, "--seeds", 2)
    found = _results("--table", whole, *options, "--budgets", _budget(6.0))
    best = _ACCURACY[_LATENCY_MS <= 6].max()
    assert best == 50 + 2 * 5 + 2 * 4 + 3
    assert set(found) == {"random", "evolution", "predictor"}
    for result in found.values():
        assert result["budget_ms"] == 6 and result["networks"] == np.sum(_LATENCY_MS <= 6)
        assert result["oracle"] == best
        assert result["regret"]["mean"] == pytest.approx(best - result["accuracy"]["mean"])
        assert result["reported"]["mean"] == pytest.approx(100 - result["accuracy"]["mean"])
        assert result["reported_oracle"] == 100 - _ACCURACY[_LATENCY_MS <= 6].min()
    assert found["predictor"]["regret"] == {"mean": 0.0, "sd": 0.0}
    assert found["random"]["regret"]["mean"] > 0


def test_figures_of_another_file_in_another_order_with_some_missing(tmp_path: Path) -> None:
    """With every network evaluated, random search finds the best that is in both files and has no figure missing."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(_OPS))[:200]
    images_per_s = np.where(np.arange(len(_OPS)) % 7 == 0, np.nan, 1000 / _LATENCY_MS)
    described = _write(tmp_path / "described.parquet", ops=_OPS.tolist(), top1=_ACCURACY)
    other = _write(tmp_path / "other.parquet", rows=rows, npu_throughput=images_per_s)
    usable = np.isin(np.arange(len(_OPS)), rows) & np.isfinite(images_per_s)
    common = ("--latency", "npu_throughput", "--accuracy", "top1", "--strategy", "predictor", "--seeds", 1)
    for files in (("--table", described, "--target-file", other), ("--table", other, "--target-file", described)):
        result = _results(*files, *common, "--evaluations", 60, "--budgets", 50)["predictor"]
        assert result["budget_ms"] == pytest.approx(np.percentile(_LATENCY_MS[usable], 50))
        within = usable & (result["budget_ms"] + 1e-9 >= _LATENCY_MS)
        assert result["networks"] == within.sum()
        assert result["oracle"] == _ACCURACY[within].max() == result["accuracy"]["mean"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"--latency": "watts"}, "no column 'watts'; there are ms, top1, test"),
        ({"--accuracy": "top5"}, "no column 'top5'"),
        ({"--report": "top5"}, "no column 'top5'"),
        ({"--table": "missing.parquet"}, "missing.parquet"),
        ({"--target-file": "missing.parquet"}, "missing.parquet"),
        ({"--table": __file__}, "cannot be read"),
        ({"--strategy": "luck"}, "no strategy 'luck'; there are random, evolution, predictor"),
        ({"--budgets": "ten"}, "percentiles"),
        ({"--budgets": "110"}, "from 0 to 100"),
        ({"--evaluations": "0"}, "at least 1 evaluation"),
    ],
)
def test_wrong_input_is_one_sentence(whole: Path, change: dict[str, str], problem: str) -> None:
    arguments = {"--table": str(whole), "--latency": "ms", "--accuracy": "top1"} | change
    code, out, err = _run(*itertools.chain(*arguments.items()))
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1 and not out


def test_a_table_without_networks_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "bare.parquet", ms=_LATENCY_MS, top1=_ACCURACY)
    code, _, err = _run("--table", path, "--latency", "ms", "--accuracy", "top1")
    assert code == 2
    assert "does not describe networks" in err
