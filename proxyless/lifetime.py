"""How processes end: in order when they are told to, and with whoever started them."""

import ctypes
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_SET_PARENT_DEATH_SIGNAL = 1
"""Of Linux's prctl."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: ends work as Ctrl-C does, so that what was begun is put away."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.exit_code = 128 + signum


def end_in_order() -> None:
    """Have this process end on SIGTERM and SIGHUP as on Ctrl-C."""

    def stop(signum: int, _frame: FrameType | None) -> NoReturn:
        for other in _SIGNALS:  # the first one counts: a second would interrupt what puts things away
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(signum)

    for signum in _SIGNALS:
        if signal.getsignal(signum) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(signum, stop)


_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when its parent ends, however that ends. parent: its number, from before.

    Does nothing where the system is not Linux.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone already
        os._exit(1)
