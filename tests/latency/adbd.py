"""A stand-in for a phone: adb's device side on a TCP port, with this machine's shell and a folder of its own.

It speaks what a real one does: CNXN, OPEN, OKAY, WRTE and CLSE; sync with STAT, SEND and RECV; shell v2 with separate
errors and exit codes. As on a phone, a command's input and output are one socket, and a command whose connection is
closed is not killed: its input ends. There is no authentication, and `/data` lies below `root`.
"""

import os
import queue
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_BANNER = b"device::ro.product.name=stand_in;ro.product.model=Stand In;features=shell_v2,cmd"
_MAX = 1 << 16
_STDIN, _STDOUT, _STDERR, _EXIT = range(4)


class Phone:
    """Listens on `port` until `stop`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "data/local/tmp").mkdir(parents=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.connections: list[socket.socket] = []
        _start(self._accept)

    def path(self, name: str) -> str:
        """Where a path on the phone is here; also for the paths in a command."""
        return name.replace("/data/", f"{self.root}/data/")

    def unplug(self) -> None:
        """Cut the connection; the next one is welcome."""
        while self.connections:
            with suppress(OSError):  # the computer hung up first
                self.connections.pop().shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.listener.close()
        self.unplug()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            _start(_Connection(self, connection).serve)


class _Connection:
    def __init__(self, phone: Phone, connection: socket.socket) -> None:
        self.phone, self.connection = phone, connection
        self.streams: dict[int, _Stream] = {}
        self.sending = threading.Lock()

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        magic = struct.unpack("<I", command)[0] ^ 0xFFFFFFFF
        header = struct.pack("<4sIIIII", command, first, second, len(data), sum(data) & 0xFFFFFFFF, magic)
        with self.sending:
            self.connection.sendall(header + data)

    def serve(self) -> None:
        try:
            with self.connection, self.connection.makefile("rb") as stream:
                while len(header := stream.read(24)) == 24:
                    command, first, second, size, _, _ = struct.unpack("<4sIIIII", header)
                    self._handle(command, first, second, stream.read(size))
        except OSError:
            pass
        for open_stream in list(self.streams.values()):
            open_stream.close()

    def _handle(self, command: bytes, remote: int, local: int, data: bytes) -> None:
        if command == b"CNXN":
            self.send(b"CNXN", 0x01000001, _MAX, _BANNER)
        elif command == b"OPEN":
            self.streams[remote] = _Stream(self, remote, data.rstrip(b"\0").decode())
        elif remote in self.streams:
            stream = self.streams[remote]
            if command == b"OKAY":
                stream.may_write.release()
            elif command == b"WRTE":
                self.send(b"OKAY", remote, remote)
                stream.received.put(data)
            elif command == b"CLSE":
                stream.close()


class _Stream:
    """One service that the computer has opened; both sides use the computer's number for it."""

    def __init__(self, connection: _Connection, number: int, service: str) -> None:
        self.connection, self.number = connection, number
        self.received: queue.Queue[bytes] = queue.Queue()
        self.may_write = threading.Semaphore(1)
        self.buffer = b""
        self.closed = False
        connection.send(b"OKAY", number, number)
        work = self._sync if service == "sync:" else lambda: self._shell(service.split(":", 1)[1])
        _start(lambda: self._run(work))

    def close(self) -> None:
        self.closed = True
        self.received.put(b"")
        self.may_write.release()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
            self.connection.send(b"CLSE", self.number, self.number)
        except (EOFError, OSError):
            pass  # the computer has gone

    def read(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = self.received.get()
            if not data:
                raise EOFError
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _MAX):
            self.may_write.acquire()
            if self.closed:
                raise EOFError
            self.connection.send(b"WRTE", self.number, self.number, data[start : start + _MAX])

    def _sync(self) -> None:
        while True:
            command, size = struct.unpack("<4sI", self.read(8))
            if command == b"QUIT":
                return
            name = self.read(size).decode()
            if command == b"STAT":
                self.write(b"STAT" + _status(Path(self.connection.phone.path(name))))
            elif command == b"SEND":
                self._receive_file(Path(self.connection.phone.path(name.rsplit(",", 1)[0])))
            elif command == b"RECV":
                content = Path(self.connection.phone.path(name)).read_bytes()
                parts = (content[start : start + _MAX] for start in range(0, len(content), _MAX))
                self.write(b"".join(b"DATA" + struct.pack("<I", len(part)) + part for part in parts))
                self.write(b"DONE" + struct.pack("<I", 0))

    def _receive_file(self, path: Path) -> None:
        parts = []
        while (entry := struct.unpack("<4sI", self.read(8)))[0] == b"DATA":
            parts.append(self.read(entry[1]))
        try:
            path.write_bytes(b"".join(parts))
        except OSError as error:
            reason = str(error.strerror).encode()
            self.write(b"FAIL" + struct.pack("<I", len(reason)) + reason)
        else:
            self.write(b"OKAY" + struct.pack("<I", 0))

    def _shell(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        script = ["sh", "-c", self.connection.phone.path(command)]
        process = subprocess.Popen(script, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE)
        theirs.close()
        assert process.stderr is not None
        errors = process.stderr.fileno()
        with process.stderr, ours:
            _start(lambda: self._feed(ours))
            copying = _start(lambda: self._copy(_STDERR, lambda: os.read(errors, _MAX - 5)))
            self._copy(_STDOUT, lambda: ours.recv(_MAX - 5))
            copying.join()
        self._packet(_EXIT, bytes([process.wait() & 0xFF]))

    def _feed(self, target: socket.socket) -> None:
        """The computer's input for the command, until either is gone."""
        try:
            while True:
                kind, size = struct.unpack("<BI", self.read(5))
                data = self.read(size)
                if kind == _STDIN:
                    target.sendall(data)
        except (EOFError, OSError):
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    def _copy(self, kind: int, read: Callable[[], bytes]) -> None:
        """What the command prints, until it ends or the computer has gone."""
        try:
            while part := read():
                self._packet(kind, part)
        except (EOFError, OSError):
            return

    def _packet(self, kind: int, data: bytes) -> None:
        self.write(struct.pack("<BI", kind, len(data)) + data)


def _status(path: Path) -> bytes:
    if not path.exists():
        return struct.pack("<III", 0, 0, 0)
    found = path.stat()
    return struct.pack("<III", found.st_mode, found.st_size, int(found.st_mtime))


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
