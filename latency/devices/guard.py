"""Runs on the device beside the timing program: ends it when the computer that asked for it is gone.

Usage: python guard.py PROGRAM.py JOB.json

The other side keeps standard input open and writes a line now and then. When that stops, the program is killed:
nobody reads what it measures, and it would disturb the next measurement. This is a process of its own, since a
library that hangs may hold the interpreter. Jobs have folders side by side; only one of them runs at a time.
The last line of the output is {"event": "exit", "code"}; without it, the connection was lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time

SILENCE_S = 60.0
LOCK_S = 90.0  # longer than the silence: a program whose connection was lost is gone by then


def lock() -> int | None:
    """A descriptor that holds the folder of all jobs, or None when another program keeps it."""
    folder = os.open("..", os.O_RDONLY)
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return folder
        except OSError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.5)


def stop_when_alone(process: subprocess.Popen[bytes]) -> None:
    while True:
        readable, _, _ = select.select([0], [], [], SILENCE_S)
        if not readable or not os.read(0, 4096):
            process.kill()
            os._exit(1)


def run(program: str, job: str) -> int:
    held = lock()
    if held is None:
        sys.stderr.write("another measurement is running there; wait until it has ended\n")
        return 75
    # The program inherits the lock: the device is free only when it is gone.
    process = subprocess.Popen([sys.executable, "-B", program, job], stdin=subprocess.DEVNULL, pass_fds=[held])

    def stop(*_: object) -> None:
        process.kill()
        os._exit(1)

    signal.signal(signal.SIGHUP, stop)
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=stop_when_alone, args=(process,), daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    code = run(sys.argv[1], sys.argv[2])
    sys.stdout.write("\n" + json.dumps({"event": "exit", "code": code}) + "\n")
    sys.stdout.flush()
