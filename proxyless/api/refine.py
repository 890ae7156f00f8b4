"""Derivation with the stopwatch: of the networks around a budget, the most probable one that keeps it when measured."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from latency.deployed import Conditions, measure_files, write_networks
from latency.devices import find_device
from latency.runtimes import find_runtime
from latency.table import LatencyTable
from proxyless.api.derive import budget_bounds, make_architecture
from proxyless.api.search import TABLE
from proxyless.errors import CheckError, InputError
from proxyless.search.derive import keeps
from proxyless.search.result import SearchResult, load_result, path_ops
from proxyless.space import Architecture, Op, Space, build_space
from proxyless.space.bounds import Bound

_AROUND = np.arange(0.84, 1.101, 0.01)
"""Predictions to try, relative to the budget: the table errs by a few per cent, to either side."""

_SPARE, _FILLED = 0.985, 0.965
"""A measured network is taken up to this share of the budget, for the measurement repeats within about 1 %; and
preferably above this one."""


def conditions_of(table: LatencyTable, space: Space) -> Conditions:
    """How the networks of a table were executed."""
    runtime = table.runtime
    return Conditions(
        find_runtime(runtime.name), space, runtime.threads, runtime.delegate, table.batch, tuple(table.anchors)
    )


def measure_networks(table: LatencyTable, space: Space, networks: dict[str, tuple[Op, ...]]) -> dict[str, float]:
    """Milliseconds of untrained networks, by name, on the table's device at the speed of its profile."""
    conditions = conditions_of(table, space)
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = write_networks(networks, conditions, Path(folder))
        measured = measure_files(files, find_device(str(table.device["name"])), conditions)
    return {name: latency.at_profiled_speed_ms for name, latency in measured.items()}


def derive_measured(run: Path | str, budgets: Sequence[str], table: LatencyTable | None = None) -> list[Architecture]:
    """As `derive_networks`, but every network was measured within its budget, and uses it where one does.

    Raises:
        InputError: as there, or a table that was not measured here.
        CheckError: nothing keeps a budget when measured.
    """
    result = load_result(Path(run))
    chosen = table or LatencyTable.load(Path(run) / TABLE)
    if not chosen.anchors:
        raise InputError(
            f"the table of {chosen.target} was not made by 'profile', its networks cannot be measured here; derive "
            "without measuring"
        )
    architectures = []
    for budget_ms, bounds in budget_bounds(result, chosen, budgets):
        path, measured_ms = refined_path(result, chosen, budget_ms, bounds)
        architectures.append(make_architecture(result, chosen, budget_ms, bounds, path, measured_ms))
    return architectures


def refined_path(
    result: SearchResult, table: LatencyTable, budget_ms: float, bounds: Sequence[Bound]
) -> tuple[list[int], float]:
    """The most probable network whose measured latency keeps the budget, and that latency in ms.

    Candidates are the best networks for latency bounds around the budget; all are measured in one session.
    bounds: that of latency first; the others are kept exactly.

    Raises:
        CheckError: every candidate is slower than the budget when measured.
        InputError: no network keeps the bounds, or the device cannot be reached.
    """
    paths = _around(result, budget_ms, bounds)
    whole, searched = build_space(result.space, result.space_args), result.build_space()
    measured = measure_networks(table, whole, {str(i): path_ops(searched, path) for i, path in enumerate(paths)})
    timed = [(path, measured[str(i)]) for i, path in enumerate(paths)]
    fitting = [(path, ms) for path, ms in timed if ms <= _SPARE * budget_ms]
    if not fitting:
        fastest = min(ms for _, ms in timed)
        raise CheckError(
            f"every network that is predicted to keep {budget_ms:.4g} ms was slower when measured, the fastest took "
            f"{fastest:.4g} ms at the speed of the profile: profile again with more --calibrate, or ask for more"
        )
    using = [pair for pair in fitting if pair[1] >= _FILLED * budget_ms]
    if not using:
        return max(fitting, key=lambda pair: pair[1])
    order = {tuple(path): rank for rank, path in enumerate(result.ranked([path for path, _ in using]))}
    return min(using, key=lambda pair: order[tuple(pair[0])])


def _around(result: SearchResult, budget_ms: float, bounds: Sequence[Bound]) -> list[list[int]]:
    latency, *others = bounds
    limits = [limit for limit in budget_ms * _AROUND if limit >= latency.min_cost] or [latency.min_cost]
    found: list[list[int]] = []
    for limit in limits:
        around = [replace(latency, limit=limit, least=0.98 * limit), *others]
        found += [path for path in result.candidates(around, 2) if keeps(path, around)]
    return [list(path) for path in dict.fromkeys(map(tuple, found))]
