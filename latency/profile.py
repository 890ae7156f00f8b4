"""Measure a space on a target and make its latency table."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from latency.assemble import make_table
from latency.devices import Device, Event, Job, find_device
from latency.fit.transferred import check_known
from latency.partial import PartialFile
from latency.plan import Plan, make_plan
from latency.runtimes import Runtime, find_runtime
from latency.settings import MIN_NETS, ProfileSettings
from latency.table import LatencyTable
from latency.timing import VisitCount, time_models
from proxyless.errors import InputError
from proxyless.space import Space, check_registered

OnProgress = Callable[[int, int], None]
"""Called with visits done and visits in all."""


def profile(
    space: Space,
    output: Path | str,
    settings: ProfileSettings | None = None,
    on_progress: OnProgress = lambda done, total: None,
    known: Mapping[str, LatencyTable] | None = None,
) -> LatencyTable:
    """Measure every layer that the space can ask for, calibrate on whole networks, write the table.

    known: tables of other devices by name; with them only the whole networks are measured, and the rows are
    transferred from these tables.

    An interrupted profile is taken up where it stopped, from `<output>.partial`.

    Raises:
        InputError: a setting that does not fit, a space that is not registered, or an output that exists already.
        CheckError: the device failed, an item failed twice, or the device is too noisy.
    """
    settings = settings or ProfileSettings()
    output = Path(output)
    check_registered(space)
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'table.json'}")
    if output.exists():
        raise InputError(f"{output} exists already; delete it to measure again, or choose another output")
    runtime, device = find_runtime(settings.runtime), find_device(settings.device)
    delegate = runtime.check_target(settings.delegate, settings.batch, settings.dtype, here=device.name == "local")
    settings = settings.model_copy(update={"delegate": delegate})
    known = known or {}
    check_known(known, space, settings.dtype)
    if known and not settings.calibrate:
        raise InputError(f"--transfer needs at least {MIN_NETS} networks, got 0; choose --nets 10")
    plan = make_plan(space, settings.calibrate, settings.rounds, settings.seed, networks_only=bool(known))
    identity = {
        "space": space.fingerprint,
        "transfer": bool(known),
        **settings.model_dump(exclude={"rounds", "calibrate"}),
    }
    with PartialFile(output, identity) as partial:
        _measure(plan, runtime, device, settings, partial, on_progress)
        table = make_table(plan, device.name, settings, partial.samples, known)
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
    count = VisitCount(schedule, partial.samples.visits)

    def on_event(event: Event) -> None:
        partial.add(event)
        count.add(event)
        on_progress(count.done, count.total)

    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = plan.write_models(runtime, settings.batch, Path(folder), settings.dtype)
        delegate = settings.delegate or ""
        job = Job(runtime.runner, files, schedule, settings.threads, delegate, settings.batch)
        time_models(device, job, partial.samples, on_event)
