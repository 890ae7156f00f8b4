"""Turn the samples of a profile into a latency table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from latency.choose import Predicted
from latency.fit.calibrate import NetworkTiming, calibrate
from latency.fit.transferred import transfer_table
from latency.measurement import Measurement, Measurements, repeatability_pct
from latency.plan import Plan
from latency.stability import find_stability
from latency.table import DeviceInfo, LatencyTable, Prediction, Row, RuntimeInfo, SpaceInfo, Stability
from latency.timing import Samples
from proxyless.errors import CheckError
from proxyless.space import Anchor, Target

MAX_REPEATABILITY_PCT = 10.0
"""Noise above which a table would mislead more than it helps; fewer rounds than the next are too few to tell."""
MIN_ROUNDS_TO_JUDGE = 10

ANCHOR_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Anchors among the networks in order of their latency: of all sizes, and with enough networks neither extreme."""


def make_table(
    plan: Plan,
    target: Target,
    rounds: int,
    samples: Samples,
    known: Mapping[str, LatencyTable],
    predicted: Predicted | None = None,
) -> LatencyTable:
    """The table of what was measured, fitted to whole networks; with `known`, the rows are transferred from these.

    predicted: the rows that were not measured.

    Raises:
        CheckError: the device is too noisy.
    """
    stability, measured = find_stability(samples)
    judged = {item: measured[item] for item in plan.networks or plan.layers}
    repeatability = repeatability_pct(judged)
    _check_noise(repeatability, target.device, rounds)
    table = _measured_table(plan, target, samples, stability, measured)
    if predicted is not None:
        table = _with_predicted(table, plan, predicted)
    if not plan.networks:
        return table
    timings = [_timing(plan, item, measured[item]) for item in plan.networks]
    if known:
        fitted = transfer_table(table, plan.space, timings, repeatability, known)
    else:
        fitted = calibrate(table, timings, repeatability)
    return fitted.changed(anchors=_anchors(timings))


def _check_noise(repeatability_pct: float, device: str, rounds: int) -> None:
    if rounds >= MIN_ROUNDS_TO_JUDGE and repeatability_pct > MAX_REPEATABILITY_PCT:
        raise CheckError(
            f"{device!r} is too noisy for a latency table: two halves of the measurement differ by "
            f"{repeatability_pct:.0f} % (at most {MAX_REPEATABILITY_PCT:.0f} %); close other programs, let the device "
            f"cool down or fix its clock, and do the same with {2 * rounds} rounds instead of "
            f"{rounds}: what was measured is kept"
        )


def _measured_table(
    plan: Plan,
    target: Target,
    samples: Samples,
    stability: Stability,
    measured: Measurements,
) -> LatencyTable:
    fixed = {str(spec) for spec in plan.space.fixed}
    rows = {item: _row(plan, item, measured[item]) for item in plan.layers}
    environment = {key: value for key, value in samples.environment.items() if key != "runtime"}
    return LatencyTable(
        device=DeviceInfo.model_validate({**environment, "name": target.device}),
        runtime=RuntimeInfo(
            name=target.runtime,
            version=str(samples.environment["runtime"]),
            threads=target.threads,
            delegate=target.delegate,
        ),
        batch=target.batch,
        dtype=target.dtype,
        space=SpaceInfo.of(plan.space),
        fixed=[row for item, row in rows.items() if item in fixed],
        rows=[row for item, row in rows.items() if item not in fixed],
        stability=stability,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _with_predicted(table: LatencyTable, plan: Plan, predicted: Predicted) -> LatencyTable:
    rows = {row.spec: row for row in [*table.fixed, *table.rows]}
    rows |= {
        spec: Row.of(spec, ms=float(ms), source="predicted")
        for spec, ms in zip(predicted.specs, predicted.ms, strict=True)
    }
    prediction = Prediction(
        rows=len(predicted.specs),
        rmse_pct=predicted.rows_pct,
        left_out_pct={"row": predicted.left_out_pct},
        network_pct=predicted.network_pct,
    )
    return table.filled(plan.space, rows, prediction=prediction)


def _row(plan: Plan, item: str, measurement: Measurement) -> Row:
    return Row.of(plan.layers[item], ms=measurement.ms, iqr=measurement.iqr_ms, n=measurement.count, source="measured")


def _timing(plan: Plan, item: str, measurement: Measurement) -> NetworkTiming:
    ops = plan.networks[item]
    return NetworkTiming(tuple(ops), tuple(plan.space.network(ops)), measurement.ms)


def _anchors(timings: Sequence[NetworkTiming]) -> list[Anchor]:
    ranked = sorted(timings, key=lambda net: net.measured_ms)
    chosen = [ranked[round(place * (len(ranked) - 1))] for place in ANCHOR_PLACES]
    return [Anchor(ops=list(net.ops), ms=net.measured_ms) for net in chosen]
