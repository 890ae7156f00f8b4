"""Measure untrained networks on the target of a latency table."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from latency.deployed import Conditions, measure_files, write_networks
from latency.devices import find_device
from latency.runtimes import find_runtime
from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.space import Architecture, Space


def can_measure(table: LatencyTable) -> bool:
    """Whether the table's target is one that this program can measure on: published tables name devices that it cannot
    reach."""
    try:
        check_target(table)
    except InputError:
        return False
    return True


def check_target(table: LatencyTable) -> None:
    """Raise InputError unless this program knows the table's device and runtime, and has the packages for it."""
    runtime = table.runtime
    here = find_device(str(table.device["name"])).name == "local"
    find_runtime(runtime.name).check_target(runtime.delegate, table.batch, table.dtype, here=here)


def conditions_of(table: LatencyTable, space: Space) -> Conditions:
    """How the networks of a table were executed. space: of the table, for its anchors.

    Raises:
        InputError: an unknown runtime.
    """
    runtime = table.runtime
    return Conditions(
        find_runtime(runtime.name),
        space,
        runtime.threads,
        runtime.delegate,
        table.batch,
        tuple(table.anchors),
        table.dtype,
    )


def measure_networks(table: LatencyTable, space: Space, networks: Mapping[str, Architecture]) -> dict[str, float]:
    """Milliseconds by name, in one session of interleaved rounds, at the speed that the device was profiled at.

    space: of the table, for the networks that tell that speed; `networks` may be of other spaces.

    Raises:
        InputError: an unknown runtime or device.
        CheckError: the device failed.
    """
    conditions = conditions_of(table, space)
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files: dict[str, Path] = {}
        for number, (name, network) in enumerate(networks.items()):
            place = Path(folder) / str(number)
            place.mkdir()
            files |= write_networks({name: network.ops}, replace(conditions, space=network.space), place)
        measured = measure_files(files, find_device(str(table.device["name"])), conditions)
    return {name: measured[name].at_profiled_speed_ms for name in networks}
