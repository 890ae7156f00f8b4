"""Derivation with the stopwatch, on a target whose real latencies are known."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from latency.devices import LocalDevice
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.tables import load_table
from proxyless.cli.main import app
from proxyless.errors import CheckError, InputError
from proxyless.search.result import SearchResult
from proxyless.space import Architecture, Space, tiny_fixed
from proxyless.space.bounds import latency_bound
from proxyless.workflow import refine
from tests.helpers import kernel_and_expand, table_by_macs

_SPACE = tiny_fixed()
_TABLE = table_by_macs(_SPACE)
_HERE = LocalDevice()


def _result(seed: int = 0, alpha: float = 20.0) -> SearchResult:
    """alpha: the larger, the more alike are the probabilities."""
    rng = np.random.default_rng(seed)
    return SearchResult(
        space="tiny-fixed",
        space_args=dict(_SPACE.args),
        budget_ms=7.0,
        ops=[list(layer.choices) for layer in _SPACE.decisions],
        log_probs=[np.log(rng.dirichlet(alpha * np.ones(len(layer.choices)))).tolist() for layer in _SPACE.decisions],
    )


def _real_ms(ops: tuple[str, ...], slower: float) -> float:
    """What the network takes: what is predicted, times a factor, and a few per cent that depend on the network."""
    sizes = enumerate(map(kernel_and_expand, ops))
    wobble = 1 + 0.03 * np.sin(sum(1000 * kernel * (i + 1) + expand for i, (kernel, expand) in sizes))
    return float(slower * wobble * _TABLE.predict(_SPACE.network(ops)))


@pytest.mark.parametrize("slower", [0.95, 1.0, 1.08])
@pytest.mark.parametrize("budget_ms", [3.0, 6.0, 9.0])
def test_a_budget_is_kept_and_used_though_predictions_err(
    budget_ms: float, slower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(table: object, space: Space, networks: dict[str, Architecture], device: object) -> dict[str, float]:
        return {name: _real_ms(network.ops, slower) for name, network in networks.items()}

    monkeypatch.setattr(refine, "measure_networks", measure)
    bounds = [latency_bound(_TABLE.costs(_SPACE), budget_ms)]
    path, measured_ms = refine.refined_path(_result(), _TABLE, budget_ms, bounds, _HERE)
    assert measured_ms == _real_ms(_SPACE.path_ops(path), slower)
    assert 0.95 * budget_ms <= measured_ms <= budget_ms


@pytest.mark.slow
@pytest.mark.parametrize("budget_ms", [3.0, 6.0, 9.0])
def test_a_budget_is_used_though_large_networks_are_much_slower_than_predicted(
    budget_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(table: object, space: Space, networks: dict[str, Architecture], device: object) -> dict[str, float]:
        found = {name: _real_ms(network.ops, 1.0) for name, network in networks.items()}
        return {name: ms * (ms / 4) ** 0.6 for name, ms in found.items()}

    monkeypatch.setattr(refine, "measure_networks", measure)
    bounds = [latency_bound(_TABLE.costs(_SPACE), budget_ms)]
    _, measured_ms = refine.refined_path(_result(), _TABLE, budget_ms, bounds, _HERE)
    assert 0.95 * budget_ms <= measured_ms <= budget_ms


def test_a_budget_is_used_as_far_as_the_evidence_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest operation is a hundred times as probable as any other: nothing else is measured for its own sake."""
    measured: list[float] = []

    def measure(table: object, space: Space, networks: dict[str, Architecture], device: object) -> dict[str, float]:
        found = {name: _real_ms(network.ops, 1.0) for name, network in networks.items()}
        measured.extend(found.values())
        return found

    monkeypatch.setattr(refine, "measure_networks", measure)
    rows = [np.log([0.94, *[0.01] * (len(layer.choices) - 1)]).tolist() for layer in _SPACE.decisions]
    result = _result().model_copy(update={"log_probs": rows})
    bounds = [latency_bound(_TABLE.costs(_SPACE), 6.0)]
    path, measured_ms = refine.refined_path(result, _TABLE, 6.0, bounds, _HERE)
    assert path == [0] * len(_SPACE.decisions) and measured_ms < 5.0
    assert len(measured) < 20


def test_nothing_is_promised_where_everything_is_slower_than_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "measure_networks", lambda table, space, nets, device: dict.fromkeys(nets, 20.0))
    with pytest.raises(CheckError, match=r"networks around 6 ms the fastest took 20 ms when measured: ask"):
        refine.refined_path(_result(), _TABLE, 6.0, [latency_bound(_TABLE.costs(_SPACE), 6.0)], _HERE)


@pytest.mark.timing
def test_the_command_measures_on_this_machine(tmp_path: Path) -> None:
    space = tiny_fixed(resolution=16)
    settings = ProfileSettings(runtime="onnxruntime", rounds=12, calibrate=8)
    table = profile(space, tmp_path / "table.json", settings)
    search = "search --space tiny-fixed --data synthetic:120 --budget 80% --warmup-epochs 0 --epochs 1 --batch-size 16"
    run = [*search.split(), "--table", str(tmp_path / "table.json"), "-o", str(tmp_path / "run")]
    assert CliRunner().invoke(app, run).exit_code == 0
    derive = [
        "derive",
        str(tmp_path / "run"),
        "--measure",
        "--budget",
        "80%",
        "-o",
        str(tmp_path / "networks"),
        "--json",
    ]
    result = CliRunner().invoke(app, derive)
    assert result.exit_code == 0, result.stderr
    (network,) = json.loads(result.stdout)
    budget_ms = 0.8 * table.costs(space).max_ms
    assert network["budget_ms"] == pytest.approx(budget_ms)
    assert 0.3 * budget_ms < network["measured_ms"] <= budget_ms
    assert list(Architecture.load(Path(network["path"])).ops) == network["ops"]


def test_a_published_table_cannot_be_measured() -> None:
    with pytest.raises(InputError, match="has no networks that were timed whole"):
        refine.measurable([load_table("pixel1")], [])
