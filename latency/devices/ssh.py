"""A machine reached with the system's ssh, such as a Raspberry Pi: `ssh://user@host:port`."""

import io
import re
import shlex
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO

from latency.devices.address import split_options
from latency.devices.lines import Ended, last_line
from latency.devices.link import failed_to_send, run_quietly
from latency.devices.pack import Files
from latency.devices.remote import RemoteDevice
from proxyless.errors import InputError
from proxyless.files import home_path

_OPTIONS = {
    "BatchMode": "yes",  # never ask: a question would look like silence
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",  # a dead network is noticed before the silence of the program
    "ServerAliveCountMax": "3",
}

_PROBLEMS = (
    (
        "IDENTIFICATION HAS CHANGED",
        "its host key is not the one known here: find out why before you remove the old one",
    ),
    ("Host key verification failed", "its host key is not known here: connect once by hand and accept it: SSH"),
    ("Permission denied", "it takes none of your keys: put yours there with ssh-copy-id, until this works: SSH"),
    ("Could not resolve hostname", "no such host is known: check the name"),
    ("", "check that it is on and that this works: SSH"),
)
"""What ssh prints, and what to do about it."""


def open_ssh(name: str) -> RemoteDevice:
    """`ssh://[user@]host[:port][?python=PATH][&config=FILE]`. config: an ssh_config(5) file instead of the user's own.

    Raises:
        InputError: the name is not understood, or there is no ssh here.
    """
    address, options = split_options(name, ("python", "config"))
    if not re.fullmatch(r"ssh://([\w.][\w.+-]*@)?([\w.][\w.-]*|\[[0-9A-Fa-f:.%]+\])(:\d{1,5})?", address):
        raise InputError(f"device {name!r} is not understood; write ssh://user@host or ssh://user@host:port")
    port = address.rpartition(":")[2]
    config = str(home_path(options["config"])) if "config" in options else None
    if port.isdigit() and not 0 < int(port) < 2**16:
        raise InputError(f"device {name!r} has no valid port; give one from 1 to 65535")
    if config is not None and not Path(config).is_file():
        raise InputError(f"device {name!r}: there is no file {config}; give an ssh_config file")
    if shutil.which("ssh") is None:
        raise InputError(f"device {name!r} needs the program ssh here; install OpenSSH's client")
    return RemoteDevice(SshLink(name, address, config), options.get("python", "python3"))


class SshLink:
    """Scripts through ssh, files through tar. address: as ssh takes it, `ssh://user@host:port`."""

    folder = '"$HOME"/.cache/proxyless'

    def __init__(self, name: str, address: str, config: str | None) -> None:
        self.name, self.address = name, address
        self.config = ["-F", config] if config else []

    def command(self, script: str) -> list[str]:
        options = [word for key, value in _OPTIONS.items() for word in ("-o", f"{key}={value}")]
        # The user's shell there may be any; the script is for sh.
        return ["ssh", *self.config, "-T", *options, self.address, f"exec sh -c {shlex.quote(script)}"]

    def send(self, files: Files, folder: str) -> None:
        with tempfile.TemporaryFile() as archive:
            _write_tar(files, archive)
            archive.seek(0)
            ended = run_quietly(self.command(f"cd {folder} && tar -xzf -"), archive)
        if ended.code:
            raise failed_to_send(self, folder, ended, files)

    def lost(self, ended: Ended) -> str | None:
        if ended.code != 255:  # ssh's own failures; scripts there end with less
            return None
        advice = next(advice for pattern, advice in _PROBLEMS if pattern in ended.errors)
        by_hand = shlex.join(["ssh", *self.config, self.address])
        return f"no connection to {self.name} ({last_line(ended.errors)}); {advice.replace('SSH', by_hand)}"


def _write_tar(files: Files, stream: IO[bytes]) -> None:
    """Compressed: the weights of models that are only timed repeat themselves."""
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
