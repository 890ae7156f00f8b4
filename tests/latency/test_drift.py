"""Drift correction on timings whose truth is known."""

import numpy as np
import pytest

from latency.calibrate import NetworkTiming, calibrate
from latency.devices import Visit
from latency.drift import correct_drift, machine_slowness
from latency.measurement import Measurement, repeatability_pct
from latency.timing import Samples, make_schedule
from proxyless.errors import CheckError
from proxyless.space import tiny
from tests.helpers import MIXED_OPS, architecture, table_by_macs


def _timings(slowness: np.ndarray, items: int, rounds: int) -> tuple[dict[Visit, tuple[float, ...]], dict[str, float]]:
    rng = np.random.default_rng(0)
    truth = {f"item {i}": float(ms) for i, ms in enumerate(np.exp(rng.uniform(-3, 2, items)))}
    schedule = make_schedule(list(truth), rounds, seed=0)
    noise = np.exp(rng.normal(0, 0.01, (len(schedule), 5)))
    visits = {
        visit: tuple(truth[visit[1]] * slow * noisy)
        for visit, slow, noisy in zip(schedule, slowness, noise, strict=True)
    }
    return visits, truth


@pytest.mark.parametrize("shape", ["steady", "two speeds", "throttling"])
def test_common_slowness_is_removed(shape: str) -> None:
    count = 40 * 12
    time = np.arange(count) / count
    slowness = {
        "steady": np.ones(count),
        "two speeds": np.where((time * 7).astype(int) % 2, 1.6, 1.0),
        "throttling": 1 + 0.8 * time,
    }[shape]
    visits, truth = _timings(slowness, items=40, rounds=12)
    measured = Samples(visits=correct_drift(visits)).measurements()
    ratios = np.array([measured[item].ms / ms for item, ms in truth.items()])
    ratios /= np.median(ratios)
    assert np.sqrt(np.mean((ratios - 1) ** 2)) < 0.015
    estimated = machine_slowness(visits) / slowness
    assert np.percentile(estimated / np.median(estimated), [5, 95]) == pytest.approx([1, 1], abs=0.05)


def test_raw_timings_of_a_machine_with_two_speeds_do_not_repeat() -> None:
    slowness = np.where((np.arange(480) // 60) % 2, 1.6, 1.0)
    visits, _ = _timings(slowness, items=40, rounds=12)
    raw = repeatability_pct(list(Samples(visits=visits).measurements().values()))
    corrected = repeatability_pct(list(Samples(visits=correct_drift(visits)).measurements().values()))
    assert corrected < 2 < raw


def test_few_visits_are_returned_as_they_are() -> None:
    visits: dict[Visit, tuple[float, ...]] = {(0, "a"): (1.0,), (1, "a"): (2.0,)}
    assert correct_drift(visits) == visits


def test_measurement_summarises_rounds_and_knows_when_it_is_noisy() -> None:
    steady = Measurement(((1.0, 1.0, 9.0), (1.1, 1.1, 1.1), (1.0, 1.0, 1.0), (1.2, 1.2, 1.2)))
    assert steady.ms == 1.0 and steady.count == 12
    assert Measurement(((1.0, 2.0), (3.0, 4.0))).noisy


def test_calibration_recovers_scale_and_call_time() -> None:
    table = table_by_macs(tiny(), ms_per_mmac=40)  # every row costs more than a call
    rng = np.random.default_rng(0)
    networks = []
    for _ in range(12):
        sum_ms, layers = float(rng.uniform(2, 8)), int(rng.integers(5, 13))
        measured = 1.2 * sum_ms - 0.05 * (layers - 1)
        networks.append(NetworkTiming(sum_ms, layers, measured * float(rng.normal(1, 0.005))))
    layers_ = architecture(MIXED_OPS).layers
    raw_ms = table.predict(layers_)
    fitted = calibrate(table, networks, 1.0)
    assert fitted.fit is not None
    assert fitted.fit.scale == pytest.approx(1.2, rel=0.02)
    assert fitted.fit.call_ms == pytest.approx(0.05, abs=0.01)
    assert fitted.fit.rmse_pct < 1
    assert fitted.predict(layers_) == pytest.approx(1.2 * raw_ms - 0.05 * (len(layers_) - 1), rel=0.03)
    assert fitted.rows[0].measured_ms == table.rows[0].ms
    assert fitted.costs(tiny()).margin == pytest.approx(2 * fitted.fit.rmse_pct / 100)


def test_no_row_is_calibrated_below_zero() -> None:
    table = table_by_macs(tiny())  # the classifier takes 0.0026 ms, less than a call
    networks = [NetworkTiming(ms, 12, 1.2 * ms - 0.05 * 11) for ms in (2.0, 3.0, 4.0, 5.0, 6.0)]
    fitted = calibrate(table, networks, 1.0)
    assert min(row.ms for row in fitted.fixed) == pytest.approx(0, abs=1e-9)
    assert fitted.fit is not None and fitted.fit.rmse_pct > 1  # the error is that of the table, not of the free fit


def test_latency_that_does_not_grow_with_the_layers_is_refused() -> None:
    networks = [NetworkTiming(float(i), 5, 10.0 / i) for i in range(1, 8)]
    with pytest.raises(CheckError, match="too busy to be measured"):
        calibrate(table_by_macs(tiny()), networks, 1.0)
