"""Who may write where: one command at a time for every output, and one that measures on this machine.

A lock is held by an open file (`flock`), so it ends with the process however that ends; what the file says is for the
reader of a refusal.
"""

import functools
import inspect
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from proxyless.addresses import LOCAL
from proxyless.errors import InputError, one_line
from proxyless.files import output_folder
from proxyless.flocks import try_lock, unlock
from proxyless.processes import is_first

P = ParamSpec("P")
R = TypeVar("R")

_LOG = logging.getLogger(__name__)
_MEASURES: dict[int, bool] = {}
"""Threads that hold the lock on measuring."""

_NAME = ".proxyless.lock"
_MOST_BYTES = 1000
_LOOK_S = 0.2
_SAY_S = 2.0
_MEASURING_S = 90.0
"""Most measurements are over by then; a profile is not."""


def owns_folder(function: Callable[P, R]) -> Callable[P, R]:
    """The function owns the folder that is its argument `output`, as `owned_folder`, for as long as it runs."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with owned_folder(Path(signature.bind(*args, **kwargs).arguments["output"])):
            return function(*args, **kwargs)

    return wrapped


@contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Own an output folder until the block ends. What was made for the lock alone is not left behind.

    Raises:
        InputError: another command is writing there, or the folder cannot be made.
    """
    if not is_first():  # of several processes the first one writes
        yield
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    output_folder(folder)
    try:
        with locked(folder / _NAME, f"another command is writing to {folder}", "wait for it, or choose another output"):
            _sweep_files(folder, r"\..+")
            yield
    finally:
        _remove_empty(missing)


@contextmanager
def owned_file(path: Path) -> Iterator[None]:
    """Own an output file, or a folder that is replaced as a whole, and what is kept beside it meanwhile."""
    missing = [folder for folder in path.parents if not folder.exists()]
    output_folder(path.parent)
    lock, advice = path.with_name(f".{path.name}.lock"), "wait for it, or choose another output"
    try:
        with locked(lock, f"another command is writing {path}", advice):
            _sweep_files(path.parent, rf"\.{re.escape(path.name)}(?:\.partial)?")
            yield
    finally:
        _remove_empty(missing)


@contextmanager
def measuring() -> Iterator[None]:
    """Measure alone on this machine: two at once would disturb each other. Within such a block it does nothing.

    Raises:
        InputError: another command measures for longer than one would wait.
    """
    if _MEASURES.get(threading.get_ident()):
        yield
        return
    lock = Path(tempfile.gettempdir()) / f"proxyless-measuring-{os.getuid()}.lock"
    with locked(
        lock, "another command is measuring on this machine", "run this one again when it has ended", _MEASURING_S
    ):
        _MEASURES[threading.get_ident()] = True
        try:
            yield
        finally:
            del _MEASURES[threading.get_ident()]


def measuring_on(device: str) -> AbstractContextManager[None]:
    """`measuring`, where the device is this machine."""
    return measuring() if device == LOCAL else nullcontext()


@contextmanager
def locked(lock: Path, refusal: str, advice: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock file. refusal, advice: what to say when another keeps it for longer than `wait_s`."""
    descriptor = _acquire(lock, refusal, advice, wait_s)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, _me().encode(errors="replace"))
        yield
    finally:
        lock.unlink(missing_ok=True)
        unlock(descriptor)


def _acquire(lock: Path, refusal: str, advice: str, wait_s: float) -> int:
    start, said = time.monotonic(), False
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(f"cannot write to {lock.parent}: {error.strerror}; choose another output") from None
        if try_lock(descriptor):
            if _is_same(descriptor, lock):
                return descriptor
            unlock(descriptor)  # whoever held it has removed the file: take the new one
            continue
        who = one_line(os.read(descriptor, _MOST_BYTES).decode(errors="replace")) or "one that has just begun"
        os.close(descriptor)
        waited = time.monotonic() - start
        if waited >= wait_s:
            raise InputError(f"{refusal}: {who}; {advice}")
        if waited > _SAY_S and not said:
            said = True
            _LOG.info("waiting: %s (%s)", refusal, who)
        time.sleep(_LOOK_S)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _me() -> str:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    return f"process {os.getpid()} ({command}), since {time.strftime('%H:%M')}"


def _sweep_files(folder: Path, prefix: str) -> None:
    """Remove half-written files of commands that were killed. prefix: a pattern of what stands before the number."""
    for file in folder.iterdir():
        found = re.fullmatch(rf"{prefix}\.(\d+)\.tmp", file.name)
        if found and not _is_alive(int(found[1])):
            file.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
