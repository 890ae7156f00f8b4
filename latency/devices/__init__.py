"""Where models are timed: one file per kind of device, and a line in `_KINDS`."""

from collections.abc import Callable

from latency.devices.adb import open_adb
from latency.devices.base import Device, DeviceError, Event, Job, Visit
from latency.devices.local import LocalDevice
from latency.devices.ssh import open_ssh
from proxyless.errors import InputError

_KINDS: dict[str, Callable[[str], Device]] = {
    "ssh://": open_ssh,
    "adb:": open_adb,
}
"""What a device's name begins with, and what makes a device of it."""


def find_device(name: str) -> Device:
    """The device that `--device` names; nothing is connected yet.

    Raises:
        InputError: no such kind of device, or a name that is not understood.
    """
    if name == "local":
        return LocalDevice()
    for beginning, open_device in _KINDS.items():
        if name.startswith(beginning):
            return open_device(name)
    raise InputError(f"unknown device {name!r}; choose local (this machine), ssh://user@host or adb:SERIAL")


__all__ = ["Device", "DeviceError", "Event", "Job", "LocalDevice", "Visit", "find_device"]
