"""This machine; those over ssh and adb have their own tests with servers on this machine, and the contract once."""

from latency.devices import Device, LocalDevice
from proxyless.testing.devices import DeviceContract


class TestLocal(DeviceContract):
    def device(self) -> Device:
        return LocalDevice()
