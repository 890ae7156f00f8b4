"""A phone reached with adb: `adb:SERIAL`."""

import re
import shutil

from latency.devices.address import split_options
from latency.devices.base import Device
from latency.devices.benchmark_model import BenchmarkModel
from latency.devices.lines import Ended, last_line
from latency.devices.link import failed_to_send, run_quietly
from latency.devices.pack import Files
from latency.devices.remote import RemoteDevice
from proxyless.errors import InputError
from proxyless.files import home_path
from proxyless.temporary import temporary_folder

_PROBLEMS = (
    ("unauthorized", "allow this computer on the phone's screen"),
    ("not found", "'adb devices' lists what is connected; a phone on the network needs 'adb connect' first"),
    ("", "plug the phone in again, or restart adb with 'adb kill-server'"),
)
"""What adb prints, and what to do about it."""


def open_adb(name: str) -> Device:
    """`adb:SERIAL`, timed with Python (`?python=PATH`) or with TFLite's own tool (`?benchmark_model=FILE`).

    SERIAL is what `adb devices` shows, such as `R58M12ABCDE` or `192.168.1.7:5555`.

    Raises:
        InputError: the name is not understood, there is no adb here, or no such tool.
    """
    address, options = split_options(name, ("python", "benchmark_model"))
    serial = address.removeprefix("adb:")
    if not re.fullmatch(r"[\w.\[][\w.:\[\]@%+-]*", serial):
        raise InputError(f"device {name!r} is not understood; write adb:SERIAL, as 'adb devices' shows it")
    if len(options) > 1:
        raise InputError(f"device {name!r} names two ways of timing; give python or benchmark_model, not both")
    if shutil.which("adb") is None:
        raise InputError(f"device {name!r} needs the program adb here; install the Android platform tools")
    link = AdbLink(name, serial)
    if "benchmark_model" not in options:
        return RemoteDevice(link, options.get("python", "python3"))
    binary = home_path(options["benchmark_model"])
    if not binary.is_file():
        raise InputError(f"device {name!r}: there is no file {binary}; give the path of benchmark_model here")
    return BenchmarkModel(link, binary)


class AdbLink:
    """Scripts through adb's shell, files through its push."""

    folder = "/data/local/tmp/proxyless"

    def __init__(self, name: str, serial: str) -> None:
        self.name, self.serial = name, serial

    def command(self, script: str) -> list[str]:
        return ["adb", "-s", self.serial, "shell", "-T", script]

    def send(self, files: Files, folder: str) -> None:
        with temporary_folder() as local:
            sources = {local / there: content for there, content in files.items()}
            for path, content in sources.items():
                if isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    path.symlink_to(content.resolve())
            ended = run_quietly(["adb", "-s", self.serial, "push", *map(str, sources), folder])
        if ended.code:
            raise failed_to_send(self, folder, ended, files)

    def lost(self, ended: Ended) -> str | None:
        said = [line for line in ended.errors.splitlines() if re.match("(adb: )?error: ", line)]
        if not said or "failed to copy" in said[-1]:
            return None
        advice = next(advice for pattern, advice in _PROBLEMS if pattern in said[-1])
        return f"no connection to {self.name} ({last_line(said[-1])}); {advice}"
