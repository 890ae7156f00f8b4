"""Drift correction on timings whose truth is known."""

import numpy as np
import pytest

from latency.devices import Visit
from latency.drift import correct_drift, machine_slowness
from latency.measurement import Measurement, Measurements, middle, repeatability_pct
from latency.timing import Samples, make_schedule


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
    assert _spread_pct(Samples(visits=visits).corrected(), truth) < 1.5
    estimated = machine_slowness(visits) / slowness
    assert np.percentile(estimated / np.median(estimated), [5, 95]) == pytest.approx([1, 1], abs=0.05)


def test_drift_is_taken_out_of_a_throttling_device_but_not_of_one_with_two_speeds() -> None:
    count = 40 * 12
    throttling = 1 + 0.8 * np.arange(count) / count
    visits, truth = _timings(throttling, items=40, rounds=12)
    samples = Samples(visits=dict(visits))
    name, measured = samples.steadiest()
    assert name == "drift corrected"
    assert repeatability_pct(measured) < 1 < repeatability_pct(samples.measurements())
    assert _spread_pct(measured, truth) < 1.5
    moments = np.where(np.random.default_rng(1).random(count) < 0.4, 1.6, 1.0)  # faster than any window can follow
    visits, truth = _timings(moments, items=40, rounds=12)
    name, measured = Samples(visits=dict(visits)).steadiest()
    assert name == "fastest rounds"
    assert _spread_pct(measured, truth) < 1.5


def _spread_pct(measured: Measurements, truth: dict[str, float]) -> float:
    ratios = np.array([measured[item].ms / ms for item, ms in truth.items()])
    return float(100 * np.std(ratios / np.median(ratios)))


def test_few_visits_are_returned_as_they_are() -> None:
    visits: dict[Visit, tuple[float, ...]] = {(0, "a"): (1.0,), (1, "a"): (2.0,)}
    assert correct_drift(visits) == visits


def test_measurement_summarises_rounds_and_knows_when_it_is_noisy() -> None:
    steady = Measurement(((1.0, 1.0, 9.0), (1.1, 1.1, 1.1), (1.0, 1.0, 1.0), (1.2, 1.2, 1.2)))
    assert steady.ms == 1.0 and steady.count == 12
    assert Measurement(((1.0, 2.0), (3.0, 4.0))).noisy
    twenty = tuple((float(ms),) for ms in range(20, 0, -1))
    assert Measurement(twenty).ms == 2.0  # of 1, 2 and 3, the fastest 15 %
    assert Measurement(twenty, middle).ms == 10.5
