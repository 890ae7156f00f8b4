"""An ssh server of our own on this machine's loopback: its own keys, port, configuration and home folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


class Server:
    """A running server. home: what `~` is for those who log in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = _free_port()
        self.listener = 0

    def device(self, config: str = "config", python: str = sys.executable) -> str:
        """The name to give to `--device`."""
        return f"ssh://127.0.0.1:{self.port}?config={self.folder / config}&python={python}"

    def prepare(self) -> None:
        self.home.mkdir()
        for name in ("host", "user", "stranger"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        key_type, key = (self.folder / "host.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key_type} {key}\n")
        stranger = (self.folder / "stranger.pub").read_text().split()[1]
        (self.folder / "changed_hosts").write_text(f"[127.0.0.1]:{self.port} {key_type} {stranger}\n")
        (self.folder / "no_hosts").write_text("")
        self._client("config")
        self._client("wrong_key", key="stranger")
        self._client("unknown_host", hosts="no_hosts")
        self._client("changed_host", hosts="changed_hosts")

    def _client(self, name: str, key: str = "user", hosts: str = "known_hosts") -> None:
        lines = [
            f"IdentityFile {self.folder / key}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.folder / hosts}",
            "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes",
        ]
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def start(self, path: str = "") -> subprocess.Popen[bytes]:
        """Start to listen. path: folders of programs that hide the machine's own."""
        settings = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'user.pub'}",
            "AuthenticationMethods publickey",
            "PasswordAuthentication no",
            "PermitRootLogin yes",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            f"SetEnv HOME={self.home} PATH={path}{os.environ['PATH']}",
        ]
        (self.folder / "sshd_config").write_text("\n".join(settings) + "\n")
        assert SSHD is not None
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], stderr=log)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return process
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        process.wait()

    def logins(self) -> int:
        """How many connections there were."""
        return (self.folder / "log").read_text().count("Accepted publickey")

    def cut(self) -> int:
        """Kill the server's side of every connection; returns how many processes that were."""
        sessions = [pid for pid in _sessions() if self.listener in _ancestors(pid)]
        for pid in sessions:
            os.kill(pid, 9)
        return len(sessions)


def problem() -> str | None:
    """Why no server can run here; None when one can."""
    if SSHD is None:
        return "sshd is not installed (Debian: openssh-server)"
    # As root it wants its folder for privilege separation, which the system makes at its start.
    done = subprocess.run([SSHD, "-t", "-h", "/dev/null"], check=False, capture_output=True, text=True)
    return "sshd wants the folder /run/sshd" if "privilege separation" in done.stderr else None


@contextmanager
def running(folder: Path, path: str = "") -> Iterator[Server]:
    """A prepared server that listens."""
    server = Server(folder)
    server.prepare()
    process = server.start(path)
    server.listener = process.pid
    try:
        yield server
    finally:
        server.stop(process)


def _sessions() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().startswith(b"sshd: "):
                yield int(entry.parent.name)
        except OSError:  # it ended meanwhile
            continue


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        pid = int(status.split("PPid:")[1].split()[0])
        yield pid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
