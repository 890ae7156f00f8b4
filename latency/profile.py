"""Measure a space on a target and make its latency table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from latency.assemble import make_table
from latency.choose import Predicted
from latency.devices import Device, Event, Job, find_device
from latency.fit.transferred import check_known
from latency.partial import PartialFile
from latency.plan import DESIGNED_FROM, Plan, make_plan
from latency.runtimes import Runtime, find_runtime
from latency.settings import MIN_NETS, ProfileSettings, RowsMeasured
from latency.table import LatencyTable, check_rows
from latency.timing import Samples, VisitCount, time_models
from proxyless.addresses import LOCAL
from proxyless.errors import InputError
from proxyless.ownership import measuring_on, owned_file
from proxyless.progress import Lines
from proxyless.space import LayerSpec, Space, Target, check_registered
from proxyless.temporary import temporary_folder

OnProgress = Callable[[int, int], None]
"""Called with visits done and visits in all."""


def profile(
    space: Space,
    output: Path | str,
    settings: ProfileSettings | None = None,
    on_progress: OnProgress | None = None,
    known: Mapping[str, LatencyTable] | None = None,
) -> LatencyTable:
    """Measure the layers that the space can ask for, calibrate on whole networks, write the table.

    Of a space with very many, a part is measured, in passes, until the others can be predicted well enough.

    known: tables of other devices by name; with them only the whole networks are measured, and the rows are
    transferred from these tables.

    An interrupted profile is taken up where it stopped, from `<output>.partial`.

    Raises:
        InputError: a setting that does not fit, a space that is not registered, or an output that exists already.
        CheckError: the device failed, an item failed twice, or the device is too noisy.
    """
    settings, on_progress = settings or ProfileSettings(), on_progress or Lines("profile", "visits").visits
    output = Path(output)
    check_registered(space)
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'table.json'}")
    if output.exists():
        raise InputError(f"{output} exists already; delete it to measure again, or choose another output")
    runtime, device = find_runtime(settings.runtime), find_device(settings.device)
    target = runtime.target_of(settings)
    runtime.check_target(target, here=device.name == LOCAL)
    known = known or {}
    check_known(known, space, settings.dtype)
    if known and not settings.calibrate:
        raise InputError(f"--transfer needs at least {MIN_NETS} networks, got 0; choose --nets 10")
    settings = settings.model_copy(update={"rows": _rows(settings.rows, space, known)})
    designed = settings.rows == "designed"
    check_rows(space)
    plan = make_plan(
        space, settings.calibrate, settings.rounds, settings.seed, networks_only=bool(known), designed=designed
    )
    identity = {
        "space": space.fingerprint,
        "transfer": bool(known),
        **settings.model_dump(exclude={"rounds", "calibrate"}),
        "delegate": target.delegate,
    }
    with owned_file(output), measuring_on(device.name), PartialFile(output, identity) as partial:
        for items in partial.samples.chosen:
            plan = plan.extended(items)
        _measure(plan, runtime, device, target, partial, on_progress)
        predicted = _predict(plan, partial.samples) if designed else None
        while predicted is not None and (rows := predicted.next_rows()):
            plan = plan.extended(_chosen(rows, partial))
            _measure(plan, runtime, device, target, partial, on_progress)
            predicted = _predict(plan, partial.samples)
        table = make_table(plan, target, settings.rounds, partial.samples, known, predicted)
        table.save(output)
        partial.delete()
    return table


def _rows(wanted: RowsMeasured | None, space: Space, known: Mapping[str, LatencyTable]) -> RowsMeasured:
    """Which rows to measure, where the user left it open."""
    if known and wanted is not None:
        raise InputError(f"--rows {wanted} does not go with --transfer, which measures no rows; leave one of them out")
    return wanted or ("designed" if not known and len(space.specs()) > DESIGNED_FROM else "all")


def _predict(plan: Plan, samples: Samples) -> Predicted | None:
    """The rows that were not measured; None where all were."""
    _, measured = samples.steadiest()
    return Predicted.of(plan.space, {spec: measured[item].ms for item, spec in plan.layers.items()})


def _chosen(rows: Sequence[LayerSpec], partial: PartialFile) -> tuple[str, ...]:
    """The items of the next pass; the file knows them from now on: an interrupted profile goes on with the same."""
    event: Event = {"event": "chosen", "items": tuple(map(str, rows))}
    partial.add(event)
    partial.samples.add(event)
    return tuple(event["items"])


def _measure(
    plan: Plan,
    runtime: Runtime,
    device: Device,
    target: Target,
    partial: PartialFile,
    on_progress: OnProgress,
) -> None:
    schedule = plan.schedule
    count = VisitCount(schedule, partial.samples.visits)

    def on_event(event: Event) -> None:
        partial.add(event)
        count.add(event)
        on_progress(count.done, count.total)

    with temporary_folder() as folder:
        files = plan.write_models(runtime, target.batch, folder, target.dtype, partial.samples.visits)
        time_models(device, Job.on(target, runtime.runner, files, schedule), partial.samples, on_event)
