"""A kind of device: this machine by another name. A real one has a connection to open."""

from latency.devices import Device, LocalDevice
from proxyless.errors import InputError


class Desk(LocalDevice):
    """Jobs run in a process of their own, as on any device."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def open_desk(name: str) -> Device:
    """The device of `--device desk:PLACE`; the whole name is given."""
    if not name.removeprefix("desk:"):
        raise InputError(f"device {name!r} is not understood; write desk:PLACE")
    return Desk(name)
