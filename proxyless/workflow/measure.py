"""Measure untrained networks on the target of a latency table."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from latency.deployed import Conditions, measure_files, write_networks
from latency.devices import Device, agreed_devices, find_device, probe
from latency.runtimes import find_runtime
from latency.table import LatencyTable
from proxyless.addresses import LOCAL
from proxyless.errors import InputError
from proxyless.space import Architecture, Space
from proxyless.temporary import temporary_folder

_LOG = logging.getLogger(__name__)


def can_measure(table: LatencyTable) -> bool:
    """Whether the table's target is one that this program can measure on: published tables name devices that it cannot
    reach. Why one that was measured here cannot be is said."""
    try:
        _check_target(table, find_device(table.device.name))
    except InputError as error:
        if table.anchors:
            _LOG.info("nothing is measured, the predictions of the table must do: %s", error)
        return False
    return True


def measuring_devices(
    tables: Sequence[LatencyTable], typed: Sequence[str] = (), option: str = "--device"
) -> list[Device]:
    """The device of each table's target, for networks to be measured on.

    typed: the devices that the user names, with their options; a table alone chooses no other than this machine.

    Raises:
        InputError: a device that the user did not name, or a target that cannot be measured.
    """
    devices = agreed_devices([table.device.name for table in tables], typed, option)
    for table, device in zip(tables, devices, strict=True):
        _check_target(table, device)
    return devices


def look_for(table: LatencyTable, device: Device) -> None:
    """See that the device answers, and has the runtime of the table's target.

    Raises:
        DeviceError: it does not.
    """
    probe(device, find_runtime(table.runtime.name).runner, table.target)


def _check_target(table: LatencyTable, device: Device) -> None:
    find_runtime(table.runtime.name).check_target(table.target, here=device.name == LOCAL)


def conditions_of(table: LatencyTable, space: Space) -> Conditions:
    """How the networks of a table were executed. space: of the table, for its anchors."""
    return Conditions(table.target, space, tuple(table.anchors))


def measure_networks(
    table: LatencyTable,
    space: Space,
    networks: Mapping[str, Architecture],
    device: Device,
    *,
    waits: bool = True,
) -> dict[str, float]:
    """Milliseconds by name, in one session of interleaved rounds, at the speed that the device was profiled at.

    space: of the table, for the networks that tell that speed; `networks` may be of other spaces. device: see
    `measuring_devices`. waits: for other work to pass that slows the device down.

    Raises:
        InputError: an unknown runtime, or numbers that it cannot compute with.
        CheckError: the device failed.
    """
    conditions = conditions_of(table, space)
    with temporary_folder() as folder:
        files: dict[str, Path] = {}
        for number, (name, network) in enumerate(networks.items()):
            place = folder / str(number)
            place.mkdir()
            files |= write_networks({name: network.ops}, replace(conditions, space=network.space), place)
        measured = measure_files(files, device, conditions, enough=lambda found: not waits)
    return {name: measured[name].at_profiled_speed_ms for name in networks}
