"""Two processes as a user starts them, of which nothing may be left over."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
_TIMEOUT_S = 500


def torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a module in two processes, in a process group of their own, of which nothing is left over afterwards."""
    command = [*_TORCHRUN, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        finally:
            left_over = _end_group(process.pid)
    assert not left_over
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end_group(group: int) -> bool:
    """Whether a process of the group was still there a second later."""
    deadline = time.monotonic() + 1
    try:
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
