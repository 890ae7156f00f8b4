"""Measure a space on a target and make its latency table."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from latency.calibrate import NetworkTiming, calibrate
from latency.devices import Device, Event, Job, find_device
from latency.measurement import Measurement, Measurements, repeatability_pct
from latency.partial import PartialFile
from latency.plan import Plan, make_plan
from latency.runtimes import Runtime, find_runtime
from latency.settings import ProfileSettings
from latency.stability import find_stability
from latency.table import LatencyTable, Row, RuntimeInfo, SpaceInfo
from latency.timing import Samples, count_visits, time_models
from proxyless.errors import CheckError, InputError
from proxyless.space import Anchor, Space

OnProgress = Callable[[int, int], None]
"""Called with visits done and visits in all."""

MAX_REPEATABILITY_PCT = 10.0
"""Noise above which a table would mislead more than it helps; fewer rounds than the next are too few to tell."""
MIN_ROUNDS_TO_JUDGE = 10


def profile(
    space: Space,
    output: Path | str,
    settings: ProfileSettings | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> LatencyTable:
    """Measure every layer that the space can ask for, calibrate on whole networks, write the table.

    An interrupted profile is taken up where it stopped, from `<output>.partial`.

    Raises:
        InputError: a setting that does not fit, or an output that exists already.
        CheckError: the device failed, an item failed twice, or the device is too noisy.
    """
    settings = settings or ProfileSettings()
    output = Path(output)
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'table.json'}")
    if output.exists():
        raise InputError(f"{output} exists already; delete it to measure again, or choose another output")
    runtime, device = find_runtime(settings.runtime), find_device(settings.device)
    settings = settings.model_copy(update={"delegate": runtime.check_delegate(settings.delegate)})
    plan = make_plan(space, settings.calibrate, settings.rounds, settings.seed)
    identity = {"space": space.fingerprint, **settings.model_dump(exclude={"rounds"})}
    with PartialFile(output, identity) as partial:
        _measure(plan, runtime, device, settings, partial, on_progress)
        table = _make_table(plan, device, settings, partial.samples)
        table.save(output)
        partial.delete()
    return table


def _measure(
    plan: Plan,
    runtime: Runtime,
    device: Device,
    settings: ProfileSettings,
    partial: PartialFile,
    on_progress: OnProgress,
) -> None:
    schedule = plan.schedule

    def on_event(event: Event) -> None:
        partial.add(event)
        on_progress(count_visits(schedule, partial.samples), len(schedule))

    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = plan.write_models(runtime, settings.batch, Path(folder))
        delegate = settings.delegate or ""
        job = Job(runtime.runner, files, schedule, settings.threads, delegate, settings.batch)
        time_models(device, job, partial.samples, on_event)


def _make_table(plan: Plan, device: Device, settings: ProfileSettings, samples: Samples) -> LatencyTable:
    stability, measured = find_stability(samples)
    judged = {item: measured[item] for item in plan.networks or plan.layers}
    _check_noise(repeatability_pct(judged), settings)
    fixed = {str(spec) for spec in plan.space.fixed}
    rows = {item: _row(plan, item, measured[item]) for item in plan.layers}
    environment = {key: value for key, value in samples.environment.items() if key != "runtime"}
    table = LatencyTable(
        device={"name": device.name, **environment},
        runtime=RuntimeInfo(
            name=settings.runtime,
            version=str(samples.environment["runtime"]),
            threads=settings.threads,
            delegate=settings.delegate or "",
        ),
        batch=settings.batch,
        space=SpaceInfo(name=plan.space.name, args=dict(plan.space.args), fingerprint=plan.space.fingerprint),
        fixed=[row for item, row in rows.items() if item in fixed],
        rows=[row for item, row in rows.items() if item not in fixed],
        stability=stability,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return _calibrated(table, plan, measured) if plan.networks else table


def _check_noise(repeatability_pct: float, settings: ProfileSettings) -> None:
    if settings.rounds >= MIN_ROUNDS_TO_JUDGE and repeatability_pct > MAX_REPEATABILITY_PCT:
        raise CheckError(
            f"{settings.device!r} is too noisy for a latency table: two halves of the measurement differ by "
            f"{repeatability_pct:.0f} % (at most {MAX_REPEATABILITY_PCT:.0f} %); close other programs, let the device "
            f"cool down or fix its clock, and run the same command with --rounds {2 * settings.rounds}: what was "
            "measured is kept"
        )


def _row(plan: Plan, item: str, measurement: Measurement) -> Row:
    return Row.of(plan.layers[item], ms=measurement.ms, iqr=measurement.iqr_ms, n=measurement.count, source="measured")


def _calibrated(table: LatencyTable, plan: Plan, measured: Measurements) -> LatencyTable:
    items = list(plan.networks)
    timings = [_timing(plan, item, measured[item]) for item in items]
    calibrated = calibrate(table, timings, repeatability_pct({item: measured[item] for item in items}))
    ranked = sorted(items, key=lambda item: measured[item].ms)
    chosen = [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
    anchors = [Anchor(ops=[op.name for op in plan.networks[item]], ms=measured[item].ms) for item in chosen]
    return calibrated.changed(anchors=anchors)


def _timing(plan: Plan, item: str, measurement: Measurement) -> NetworkTiming:
    ops = plan.networks[item]
    return NetworkTiming(tuple(op.name for op in ops), tuple(plan.space.network(ops)), measurement.ms)
