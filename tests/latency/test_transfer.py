"""Tables from few networks: on devices whose truth is known, and on published measurements."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from latency.fit.accuracy import accuracy
from latency.fit.calibrate import NetworkTiming
from latency.fit.columns import count_layers, physical_groups
from latency.fit.grouped import fit_grouped
from latency.fit.transferred import check_known, transfer_table
from latency.plan import spanning_networks
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from latency.tables import load_table
from proxyless.errors import CheckError, InputError
from proxyless.space import mobile_fixed, network_cost, tiny_fixed
from tests.helpers import SHARED, table_by_macs

_SPACE = mobile_fixed()
_PIXEL1 = load_table("pixel1")


def _timings(truth: LatencyTable, count: int, seed: int, noise: float = 0.01) -> list[NetworkTiming]:
    rng = np.random.default_rng(seed)
    return [
        NetworkTiming(
            tuple(ops),
            tuple(_SPACE.network(ops)),
            truth.predict(_SPACE.network(ops)) * float(rng.normal(1, noise)),
        )
        for ops in spanning_networks(_SPACE, count, seed)
    ]


def test_a_device_between_two_known_ones_is_found_from_ten_networks() -> None:
    by_macs = table_by_macs(_SPACE, ms_per_mmac=0.05)
    rows = [
        row.model_copy(update={"ms": 0.3 * _PIXEL1.lookup(row.spec) + 0.5 * row.ms})
        for row in [*by_macs.fixed, *by_macs.rows]
    ]
    truth = by_macs.changed(rows=rows, fixed=[], overhead_ms=2.0)
    known = {"pixel1": _PIXEL1, "by macs": by_macs}
    table = transfer_table(_PIXEL1.changed(rows=[], fixed=[]), _SPACE, _timings(truth, 10, seed=3), 1.0, known)
    unseen = _timings(truth, 60, seed=4, noise=0)
    true_ms = [net.measured_ms for net in unseen]
    found = accuracy([table.predict(net.layers) for net in unseen], true_ms)
    assert found.rmse_pct < 2 and found.kendall is not None and found.kendall > 0.95
    assert table.fit is not None and table.fit.rmse_pct < 6
    assert {row.source for row in [*table.fixed, *table.rows]} == {"predicted"}
    assert table.origin == "transferred from pixel1, by macs" and table.covers(_SPACE)
    macs = [float(network_cost(net.layers).macs) for net in unseen]
    by_macs_alone = accuracy(np.array(macs) * np.median(np.array(true_ms) / macs), true_ms)
    assert by_macs_alone.rmse_pct > 2 * found.rmse_pct


def test_rows_below_zero_are_not_hidden_from_the_error() -> None:
    """Nothing known has the slow kernel of the new device: the error that the table states must say so."""
    by_macs = table_by_macs(_SPACE, ms_per_mmac=0.05)
    slow = [row.model_copy(update={"ms": row.ms * (10 if row.kernel == 7 else 1)}) for row in by_macs.rows]
    truth = by_macs.changed(rows=slow)
    table = transfer_table(by_macs.changed(rows=[], fixed=[]), _SPACE, _timings(truth, 30, seed=3), 1.0, {"m": by_macs})
    unseen = _timings(truth, 60, seed=4, noise=0)
    found = accuracy([table.predict(net.layers) for net in unseen], [net.measured_ms for net in unseen])
    assert min(row.ms for row in [*table.fixed, *table.rows]) >= 0
    assert table.fit is not None and table.fit.rmse_pct == pytest.approx(found.rmse_pct, rel=0.5)


def test_devices_that_say_nothing_about_the_new_one_are_refused() -> None:
    by_macs = table_by_macs(_SPACE, ms_per_mmac=0.05)
    rng = np.random.default_rng(0)
    rows = [row.model_copy(update={"ms": float(rng.choice([0.01, 20.0]))}) for row in by_macs.rows]
    truth = by_macs.changed(rows=rows)
    with pytest.raises(CheckError, match=r"m do not carry over .* error of \d+ % .at most 25 %.; .* --nets 24, give"):
        transfer_table(by_macs.changed(rows=[], fixed=[]), _SPACE, _timings(truth, 8, seed=3), 1.0, {"m": by_macs})


def test_a_table_without_costs_is_refused() -> None:
    nothing = table_by_macs(tiny_fixed(), ms_per_mmac=0)
    with pytest.raises(InputError, match="zero cannot be transferred: every operation takes 0 ms"):
        check_known({"zero": nothing}, tiny_fixed(), "float32")
    with pytest.raises(InputError, match="zero cannot be transferred: it is of float32 networks, not int8"):
        check_known({"zero": nothing}, tiny_fixed(), "int8")


def test_the_grouped_model_finds_columns_that_no_feature_explains() -> None:
    rng = np.random.default_rng(0)
    specs = list(_SPACE.specs())
    true_ms = np.array([_PIXEL1.lookup(spec) for spec in specs]) * rng.uniform(0.7, 1.3, len(specs))
    nets = [_SPACE.network(ops) for ops in spanning_networks(_SPACE, 400, seed=0)]
    counts = count_layers(specs, nets)
    latency_ms = 1.5 + counts @ true_ms
    few, many = (
        fit_grouped(counts[:size], physical_groups(specs), latency_ms[:size] * rng.normal(1, 0.005, size))
        for size in (40, 300)
    )
    errors = [accuracy(model.predict(counts[300:]), latency_ms[300:]).rmse_pct for model in (few, many)]
    assert errors[1] < 0.5 < errors[0] < 5


def test_only_networks_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latency.fit.transferred.MAX_ERROR_PCT", 1000.0)  # of so few rounds nothing is asked
    space = tiny_fixed(resolution=16, num_classes=3)
    settings = ProfileSettings(runtime="onnxruntime", calibrate=6, rounds=3)
    seen: list[tuple[int, int]] = []
    known = {"macs": table_by_macs(space)}
    table = profile(space, tmp_path / "t.json", settings, lambda *at: seen.append(at), known)
    assert seen[-1] == (18, 18)
    loaded = LatencyTable.load(tmp_path / "t.json")
    assert (loaded.rows, loaded.fixed, loaded.overhead_ms) == (table.rows, table.fixed, table.overhead_ms)
    assert table.runtime.name == "onnxruntime" and table.fit is not None and table.fit.nets == 6


def test_tables_of_another_space_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"pixel1 cannot be transferred to space 'tiny-fixed': it has no row for the layer"
    ):
        profile(tiny_fixed(), tmp_path / "t.json", ProfileSettings(runtime="onnxruntime"), known={"pixel1": _PIXEL1})


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the published measurements are not on this machine")
@pytest.mark.parametrize(
    ("script", "target", "nets", "spearman", "within_10pct"),
    [
        ("additive", "gold_6240", 100, 0.93, 98),
        ("transfer", "titan_rtx_1", 10, 0.98, 99),
        ("transfer", "fpga", 10, 0.93, 75),
    ],
)
def test_published_devices(script: str, target: str, nets: int, spearman: float, within_10pct: float) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / f"{script}.py"
    arguments = f"--table {SHARED}/devices/fbnet_latency.parquet --target {target} --nets {nets} --draws 3 --json"
    output = subprocess.run([sys.executable, str(path), *arguments.split()], capture_output=True, check=True, text=True)
    found = json.loads(output.stdout)
    assert (found["target"], found["nets"], found["draws"]) == (target, nets, 3)
    assert found["spearman"]["mean"] > spearman and found["within_10pct"]["mean"] > within_10pct


@pytest.mark.skipif(not SHARED.exists(), reason="the published measurements are not on this machine")
def test_the_drift_of_a_published_phone() -> None:
    """Two thirds of its unpredictability are its own changes of speed: 13 % without, 5 % with the correction."""
    path = Path(__file__).parents[2] / "benchmarks" / "drift.py"
    arguments = f"--table {SHARED}/devices/fbnet_latency.parquet --target essential_ph_1"
    output = subprocess.run([sys.executable, str(path), *arguments.split()], capture_output=True, check=True, text=True)
    plain, _, corrected = json.loads(output.stdout)["essential_ph_1"].values()
    assert plain["rmse_pct"] == pytest.approx(13.0, abs=0.3) and plain["spearman"] == pytest.approx(0.71, abs=0.02)
    assert corrected["rmse_pct"] < 5.5 and corrected["spearman"] > 0.93
