"""A new device's table from tables of known devices and a few of its networks."""

import random
from collections.abc import Mapping, Sequence

import numpy as np

from latency.fit.calibrate import NetworkTiming, record_fit
from latency.fit.columns import count_layers, physical_groups
from latency.fit.methods import Known
from latency.fit.transfer import fit_transfer
from latency.table import LatencyTable, Row
from proxyless.errors import CheckError, InputError
from proxyless.space import Space

MAX_ERROR_PCT = 25.0
"""Held-out error above which the known devices say too little about the new one."""
_REFERENCE = 500
"""Random networks of the space that set the units of the features."""


def check_known(known: Mapping[str, LatencyTable], space: Space, dtype: str) -> None:
    """Raise InputError when a table lacks a row of the space, or is of other numbers, naming both."""
    for name, table in known.items():
        if table.dtype != dtype:
            raise InputError(
                f"{name} cannot be transferred: it is of {table.dtype} networks, not {dtype}; give tables of {dtype}, "
                f"or choose --dtype {table.dtype}"
            )
        missing = next((spec for spec in space.specs() if not table.has(spec)), None)
        if missing is not None:
            raise InputError(
                f"{name} cannot be transferred to space {space.name!r}: it has no row for the layer [{missing}]; give "
                "tables of the same space, with its resolution and number of classes"
            )
        if not any(table.lookup(spec) for slot in space.slots for spec in slot.layers if not slot.is_fixed):
            raise InputError(f"{name} cannot be transferred: every operation takes 0 ms; give another table")


def transfer_table(
    table: LatencyTable,
    space: Space,
    networks: Sequence[NetworkTiming],
    repeatability_pct: float,
    known: Mapping[str, LatencyTable],
) -> LatencyTable:
    """Fill a table that has no rows; they are marked `predicted`, the error is on networks left out of the fit.

    Raises:
        CheckError: the networks left out are predicted too badly, or one is predicted to take no time.
    """
    specs = list(space.specs())
    rng = random.Random(0)  # noqa: S311
    reference = count_layers(specs, [space.network(space.random_ops(rng)) for _ in range(_REFERENCE)])
    source_ms = np.array([[source.lookup(spec) for source in known.values()] for spec in specs])
    overheads_ms = np.array([source.overhead_ms for source in known.values()])
    mean_ms = (reference @ source_ms).mean(axis=0) + overheads_ms
    what = Known.of(source_ms, mean_ms, physical_groups(specs), reference)
    measured_ms = np.array([net.measured_ms for net in networks])
    found = fit_transfer(count_layers(specs, [net.layers for net in networks]), measured_ms, what, rows=True)
    rows = {
        spec: Row.of(spec, ms=float(ms), source="predicted")
        for spec, ms in zip(specs, found.model.column_ms, strict=True)
    }
    fit = record_fit(networks, found.held_out_ms, repeatability_pct, heldout="cross-validated", weights=found.weights)
    transferred = table.filled(
        space,
        rows,
        overhead_ms=found.model.constant_ms,
        fit=fit,
        origin=f"transferred from {', '.join(known)}",
    )
    if fit.rmse_pct > MAX_ERROR_PCT or transferred.costs(space).min_ms <= 0:
        raise CheckError(
            f"the tables {', '.join(known)} do not carry over to this device: networks left out are predicted with an "
            f"error of {fit.rmse_pct:.0f} % (at most {MAX_ERROR_PCT:.0f} %); measure more of them with --nets "
            f"{3 * len(networks)}, give tables of more alike devices, or profile without --transfer"
        )
    return transferred
