"""Locks that are held by an open file, and end with the process; those that it forks do not keep them."""

import errno
import fcntl
import logging
import os

_LOG = logging.getLogger(__name__)
_HELD: set[int] = set()
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.EINVAL)
"""What file systems without such locks say."""


def try_lock(descriptor: int) -> bool:
    """Lock an open file; False where another process holds it. Where the file system has no locks, all are had."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOG.info(
            "the file system has no locks (%s): see to it that one command writes there at a time", error.strerror
        )
    _HELD.add(descriptor)
    return True


def unlock(descriptor: int) -> None:
    """Close the file."""
    _HELD.discard(descriptor)
    os.close(descriptor)


def _forget() -> None:
    """In a forked process: it would keep the locks when this one is gone."""
    for descriptor in _HELD:
        os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_forget)
