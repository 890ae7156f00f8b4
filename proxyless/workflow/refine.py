"""Derivation with the stopwatch: of the networks around a budget, the most probable one that keeps it when measured."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from latency.devices import Device
from latency.table import LatencyTable
from proxyless.errors import CheckError, InputError
from proxyless.search.derive import uses
from proxyless.search.result import SearchResult, load_result
from proxyless.space import Architecture, build_space
from proxyless.space.bounds import Bound
from proxyless.workflow.derive import budget_bounds, first_table
from proxyless.workflow.measure import look_for, measure_networks, measuring_devices
from proxyless.workflow.target import make_architecture

_Path = tuple[int, ...]

_FIRST = (0.88, 0.94, 1.0, 1.06)
"""Predictions, relative to the budget, whose measurement tells by how much the table errs around it."""

_SECOND = (0.97, 1.0, 1.03)
"""Predictions relative to what then seems right: single networks err by a few per cent, to either side."""

_TRIES = 3
"""How often what seems right is corrected, with more networks each time, while none keeps the budget and uses it."""

MOST, _LEAST = 0.984, 0.966
"""Shares of the budget between which a measured network is taken: in the middle of 95 to 100 %, since another
measurement differs by about 1 %."""


def derive_measured(
    run: Path | str, budgets: Sequence[str], table: LatencyTable | None = None, device: str | None = None
) -> list[Architecture]:
    """As `derive_networks`, but every network was measured within its budget, and uses it where one does.

    device: the table's, as typed by the user, where it is not this machine.

    Raises:
        InputError: as there, or a table that was not measured here.
        CheckError: nothing keeps a budget when measured.
    """
    result = load_result(Path(run))
    chosen = table or first_table(Path(run))
    (place,) = measurable([chosen], [device] if device else [])
    return [
        measured_architecture(result, chosen, budget_ms, bounds, place)
        for budget_ms, bounds in budget_bounds(result, chosen, budgets)
    ]


def measurable(tables: Sequence[LatencyTable], typed: Sequence[str]) -> list[Device]:
    """The devices of the tables' targets, on which networks that were timed for the tables tell their speed today.

    typed: see `measuring_devices`.

    Raises:
        InputError: as there, or a table without such networks.
        DeviceError: one does not answer, or has not the runtime.
    """
    for table in tables:
        if not table.anchors:
            raise InputError(
                f"the table of {table.label} has no networks that were timed whole, as 'profile' times them unless "
                "--calibrate is 0; derive without measuring"
            )
    devices = measuring_devices(tables, typed)
    different = {(device.name, table.label): (table, device) for table, device in zip(tables, devices, strict=True)}
    for table, device in different.values():
        look_for(table, device)
    return devices


def measured_architecture(
    result: SearchResult, table: LatencyTable, budget_ms: float, bounds: Sequence[Bound], device: Device
) -> Architecture:
    """The network of `refined_path`, for the target of the table. device: see `measurable`.

    Raises:
        InputError, CheckError: as `refined_path`.
    """
    path, measured_ms = refined_path(result, table, budget_ms, bounds, device)
    return make_architecture(result, table, budget_ms, bounds[0], path, measured_ms)


def refined_path(
    result: SearchResult, table: LatencyTable, budget_ms: float, bounds: Sequence[Bound], device: Device
) -> tuple[list[int], float]:
    """The most probable network whose measured latency keeps the budget, and that latency in ms.

    A few networks around the budget tell by how much the table errs there; the candidates are then the best ones
    for what seems right, which is corrected where none of them keeps the budget and uses it.
    bounds: that of latency first; the others are kept exactly.

    Raises:
        CheckError: every candidate is slower than the budget when measured.
        InputError: no network keeps the bounds, or the device cannot be reached.
    """
    measured: dict[_Path, float] = {}
    derived: set[_Path] = set()

    def measure(limits_ms: Sequence[float], each: int) -> None:
        candidates = [_candidates(result, limit_ms, bounds, each) for limit_ms in limits_ms]
        derived.update(paths[0] for paths in candidates if paths)
        fresh = [path for path in dict.fromkeys(chain.from_iterable(candidates)) if path not in measured]
        if fresh:
            measured.update(_measure(result, table, fresh, device))

    measure([budget_ms * share for share in _FIRST], 1)
    if not measured:
        raise InputError(
            f"no network keeps the other limits within {budget_ms:.4g} ms; ask for a larger budget or looser limits"
        )
    for attempt in range(_TRIES):
        seems_right_ms = budget_ms / _error(measured, budget_ms, bounds[0]) * MOST
        measure([seems_right_ms * share for share in _SECOND], 4 * (attempt + 1))
        least_ms = _LEAST * budget_ms if result.allowances_are_used else 0.0
        if any(least_ms <= ms <= MOST * budget_ms for ms in measured.values()):
            break
        keeps = any(ms <= MOST * budget_ms for ms in measured.values())
        if keeps and not _is_used(result, seems_right_ms, bounds):
            break  # the evidence does not go further, however often one looks
    return _choose(result, measured, derived, budget_ms)


def _error(measured: Mapping[_Path, float], budget_ms: float, latency: Bound) -> float:
    """Measured over predicted latency, of the networks that came nearest to the budget."""
    nearest = sorted(measured, key=lambda path: abs(math.log(measured[path] / budget_ms)))[: len(_FIRST)]
    return float(np.median([measured[path] / latency.cost(path) for path in nearest]))


def _candidates(result: SearchResult, limit_ms: float, bounds: Sequence[Bound], count: int) -> list[_Path]:
    """The best networks for a latency of `limit_ms`, or for the fastest one's where that is more."""
    try:
        return [tuple(path) for path in result.candidates(_around(limit_ms, bounds), count)]
    except InputError:  # the other bounds leave nothing that is so fast
        return []


def _is_used(result: SearchResult, limit_ms: float, bounds: Sequence[Bound]) -> bool:
    """Whether what is derived for a latency takes so long."""
    around = _around(limit_ms, bounds)
    return any(uses(path, around[:1]) for path in _candidates(result, limit_ms, bounds, 1))


def _around(limit_ms: float, bounds: Sequence[Bound]) -> list[Bound]:
    latency, *others = bounds
    limit_ms = max(limit_ms, latency.min_cost)
    return [replace(latency, limit=limit_ms, least=_LEAST / MOST * limit_ms), *others]


def _measure(result: SearchResult, table: LatencyTable, paths: Sequence[_Path], device: Device) -> dict[_Path, float]:
    whole, searched = build_space(result.space, result.space_args), result.build_space()
    networks = {str(i): Architecture(whole, searched.path_ops(path)) for i, path in enumerate(paths)}
    measured = measure_networks(table, whole, networks, device)
    return {path: measured[str(i)] for i, path in enumerate(paths)}


def _choose(
    result: SearchResult, measured: dict[_Path, float], derived: Collection[_Path], budget_ms: float
) -> tuple[list[int], float]:
    """The best network among those that keep and use the budget; where none uses it, the slowest of those that were
    `derived` for some latency, which go as far as the evidence; where none keeps it with something to spare, the
    fastest: a budget may be that of the smallest network."""
    fitting = {path: ms for path, ms in measured.items() if ms <= MOST * budget_ms}
    if not fitting:
        fastest = min(measured, key=lambda path: measured[path])
        if measured[fastest] <= budget_ms:
            return list(fastest), measured[fastest]
        raise CheckError(
            f"of the networks around {budget_ms:.4g} ms the fastest took {measured[fastest]:.4g} ms when measured: ask "
            "for a little more, or profile again with more --calibrate"
        )
    least_ms = _LEAST * budget_ms if result.allowances_are_used else 0.0
    using = [path for path, ms in fitting.items() if ms >= least_ms]
    slowest = max([path for path in fitting if path in derived] or fitting, key=lambda path: fitting[path])
    best = tuple(result.ranked(using or [slowest])[0])
    return list(best), fitting[best]
