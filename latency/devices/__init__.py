"""Where models are timed: one file per kind of device, and a line in `find_device`."""

from latency.devices.base import Device, Event, Job, Visit
from latency.devices.local import LocalDevice
from proxyless.errors import InputError


def find_device(name: str) -> Device:
    """The device that `--device` names.

    Raises:
        InputError: no such kind of device.
    """
    if name == "local":
        return LocalDevice()
    raise InputError(f"unknown device {name!r}; this version measures on 'local', the machine that it runs on")


__all__ = ["Device", "Event", "Job", "LocalDevice", "Visit", "find_device"]
