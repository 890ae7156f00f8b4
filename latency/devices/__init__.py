"""Where models are timed: one file per kind of device, and a line in `DEVICES`, or an entry point elsewhere."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from latency.devices.adb import open_adb
from latency.devices.base import Device, DeviceError, Event, Job, Visit
from latency.devices.local import LocalDevice
from latency.devices.ssh import open_ssh
from proxyless.addresses import LOCAL, address_of, same_device
from proxyless.errors import InputError
from proxyless.plugins import find_with_plugins, names_with_plugins
from proxyless.space import Target

DEVICES: dict[str, Callable[[str], Device]] = {"ssh": open_ssh, "adb": open_adb}
"""What stands before the first colon of a device's name, and what makes a device of the whole name."""


def find_device(name: str) -> Device:
    """The device that `--device` names; nothing is connected yet.

    Raises:
        InputError: no such kind of device, or a name that is not understood.
    """
    if name == LOCAL:
        return LocalDevice()
    kind, colon, _ = name.partition(":")
    kinds = names_with_plugins("device", DEVICES)
    if not colon or kind not in kinds:
        others = "".join(f", {other}:..." for other in kinds if other not in DEVICES)
        raise InputError(f"unknown device {name!r}; choose local (this machine), ssh://user@host or adb:SERIAL{others}")
    return find_with_plugins("device", kind, DEVICES)(name)


def agreed_devices(named: Sequence[str], typed: Sequence[str], option: str = "--device") -> list[Device]:
    """The devices that files name; a machine other than this one is used only where the user typed it too.

    Whoever wrote the file may be anyone: it decides neither which machine is contacted nor what runs here.
    named: addresses. typed: what the user gave to `option`, with the options of devices.

    Raises:
        InputError: a machine that the user did not type, or a typed one that no file names.
    """
    for name in typed:
        if not any(same_device(name, address) for address in named):
            profiled = " or ".join(dict.fromkeys(map(repr, map(address_of, named))))
            raise InputError(f"{option} {name!r} is not the device that was profiled, {profiled}; give that one")
    return [_agreed(address_of(address), typed, option) for address in named]


def _agreed(address: str, typed: Sequence[str], option: str) -> Device:
    chosen = next((name for name in typed if same_device(name, address)), None)
    if chosen is None and address != LOCAL:
        raise InputError(
            f"this would contact the device {address!r}, which a file names and the command does not; if it is yours, "
            f"add {option} {shlex.quote(address)}"
        )
    return find_device(chosen or LOCAL)


def probe(device: Device, runner: Path, target: Target) -> None:
    """Start the timing program with the runtime, and time nothing.

    Raises:
        DeviceError: the device cannot be reached, or has no such runtime.
        InputError: the device cannot run such a job.
    """
    device.run(Job.on(target, runner, {}), lambda event: None)


__all__ = [
    "DEVICES",
    "Device",
    "DeviceError",
    "Event",
    "Job",
    "LocalDevice",
    "Visit",
    "agreed_devices",
    "find_device",
    "probe",
]
