"""Which processes of a stand-in for a device are running."""

import time
from pathlib import Path


def left_in(folder: Path, wait_s: float = 5.0) -> list[str]:
    """Command lines of the processes that work below this folder, after they had time to end."""
    deadline = time.monotonic() + wait_s
    while (found := _working_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _working_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it ended meanwhile, or is not ours
            continue
    return found
