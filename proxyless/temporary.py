"""Folders for what is under way: gone with the block, and after a kill with the next command.

Whoever uses one holds a lock on it (`flock`), which ends with the process: what nobody holds was left behind.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from proxyless.flocks import try_lock, unlock

_PREFIX = "proxyless-temporary-"
_STAGE = ".proxyless-stage-"
_STALE_S = 10.0
"""A folder that is as new may not be locked yet by whoever made it."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder among the system's temporary files."""
    with _new(Path(tempfile.gettempdir()), _PREFIX) as folder:
        yield folder


@contextmanager
def stage_beside(folder: Path) -> Iterator[Path]:
    """A new folder beside the one whose place it is to take, so that renaming is enough."""
    with _new(folder.parent, f".{folder.name}{_STAGE}") as stage:
        yield stage


@contextmanager
def _new(parent: Path, prefix: str) -> Iterator[Path]:
    _sweep(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try_lock(descriptor)
        yield folder
    finally:
        unlock(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders of this user that nobody holds."""
    for folder in parent.iterdir():
        if not folder.name.startswith(prefix):
            continue
        with suppress(OSError):
            state = folder.lstat()
            is_ours = folder.is_dir() and not folder.is_symlink() and state.st_uid == os.getuid()
            if is_ours and time.time() - state.st_mtime > _STALE_S:
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error where there are no locks: nothing is removed
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
