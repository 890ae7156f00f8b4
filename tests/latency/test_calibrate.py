"""Calibration on networks whose true cost is known."""

from collections.abc import Callable

import numpy as np
import pytest

from latency.fit.accuracy import accuracy
from latency.fit.calibrate import NetworkTiming, calibrate
from latency.fit.features import WORK, work
from latency.plan import spanning_networks
from proxyless.errors import CheckError
from proxyless.space import LayerSpec, network_cost, tiny_fixed
from tests.helpers import table_by_macs

_SPACE = tiny_fixed()
_TABLE = table_by_macs(_SPACE, ms_per_mmac=0.4)
Truth = Callable[[LayerSpec], float]


def _timings(truth: Truth, call_ms: float, count: int, seed: int = 0, noise: float = 0.005) -> list[NetworkTiming]:
    rng = np.random.default_rng(seed)
    timings = []
    for ops in spanning_networks(_SPACE, count, seed):
        layers = tuple(_SPACE.network(ops))
        ms = call_ms + sum(truth(spec) - call_ms for spec in layers)
        timings.append(NetworkTiming(tuple(ops), layers, ms * float(rng.normal(1, noise))))
    return timings


def _scaled(spec: LayerSpec) -> float:
    return 1.2 * _TABLE.lookup(spec)


def _staged(spec: LayerSpec) -> float:
    """Layers of one input size cost more in a network than alone, and a megabyte of traffic costs extra."""
    return _scaled(spec) * (1.4 if spec.in_shape[0] == 8 else 1.0) + 2.0 * work(spec).activation_mb


def test_calibration_recovers_scale_and_call_time() -> None:
    call_ms = 0.5 * min(row.ms for row in [*_TABLE.fixed, *_TABLE.rows])
    fitted = calibrate(_TABLE, _timings(_scaled, call_ms, 30), 0.5)
    assert fitted.fit is not None
    assert fitted.fit.scale == pytest.approx(1.2, rel=0.05)
    assert fitted.fit.rmse_pct < 1
    assert fitted.rows[0].measured_ms == _TABLE.rows[0].ms
    assert fitted.costs(_SPACE).margin == pytest.approx(2 * fitted.fit.rmse_pct / 100)
    assert [row.ms for row in fitted.rows] == pytest.approx(
        [_scaled(row.spec) - call_ms for row in fitted.rows], rel=0.1
    )


def test_corrections_find_what_differs_between_stages_and_kinds_of_work() -> None:
    unseen = _timings(_staged, 0.0, 40, seed=1, noise=0)
    truth_ms = [net.measured_ms for net in unseen]
    fitted = calibrate(_TABLE, _timings(_staged, 0.0, 30), 0.5)
    found = accuracy([fitted.predict(net.layers) for net in unseen], truth_ms)
    best_scale = np.median([net.measured_ms / _TABLE.predict(net.layers) for net in unseen])
    only_scaled = accuracy([best_scale * _TABLE.predict(net.layers) for net in unseen], truth_ms)
    assert found.rmse_pct < 1.5 < 2 * 1.5 < only_scaled.rmse_pct
    assert fitted.fit is not None and fitted.fit.rmse_pct == pytest.approx(found.rmse_pct, abs=0.7)


def test_no_row_is_calibrated_below_zero() -> None:
    fitted = calibrate(_TABLE, _timings(_scaled, 0.05, 12), 0.5)  # a call takes longer than the cheapest layers
    assert min(row.ms for row in fitted.fixed) >= 0


def test_latency_that_does_not_grow_with_the_layers_is_refused() -> None:
    nets = _timings(_scaled, 0.0, 8)
    upside_down = [NetworkTiming(net.ops, net.layers, 10 / net.measured_ms) for net in nets]
    with pytest.raises(CheckError, match="too busy to be measured"):
        calibrate(_TABLE, upside_down, 1.0)


def test_accuracy_in_per_cent_of_the_measurement() -> None:
    found = accuracy([1.04, 2.0, 3.3, 3.4], [1.0, 2.0, 3.0, 4.0])
    assert found.rmse_pct == pytest.approx(np.sqrt((4**2 + 0 + 10**2 + 15**2) / 4))
    assert (found.bias_pct, found.within_5pct, found.within_10pct) == pytest.approx((-0.25, 50, 75))
    assert found.kendall == 1 and found.spearman == 1
    assert accuracy([1.0], [1.0]).kendall is None


def test_work_counts_every_multiply_accumulate_once() -> None:
    for spec in _SPACE.specs():
        kinds = dict(zip(WORK, vars(work(spec)).values(), strict=True))
        mmacs = sum(value for name, value in kinds.items() if name.endswith("mmacs"))
        assert mmacs == pytest.approx(network_cost([spec]).macs / 1e6)
