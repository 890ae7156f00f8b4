"""Images that do not fit in memory: decoded batch by batch, ahead of their use, by worker processes."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from proxyless.data.base import ImageSplit
from proxyless.data.decode import Encoded, decode, usable_cores
from proxyless.data.reader import without_warnings
from proxyless.errors import CheckError, InputError
from proxyless.host import to_host
from proxyless.lifetime import die_with_parent

_MOST_WORKERS = 8

_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES = -3, 2**20
"""glibc's option, and its value: batches come from the system and go back to it. Left to itself glibc keeps them in
its heap as soon as it has seen one, and a run of changing batches grew by more than the data that it streamed."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class StreamedSplit(ImageSplit):
    """Images that are read when they are needed; what is read does not depend on the number of workers.

    encoded: where they are. rows: int64 (N,), the row there of every image. labels: int64 (N,).
    """

    streamed: ClassVar[bool] = True
    encoded: Encoded
    rows: np.ndarray
    labels: Tensor
    side: int
    device: torch.device = _CPU

    @property
    def resolution(self) -> int:
        return self.side

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        chosen = np.asarray(indices)
        return replace(self, rows=self.rows[chosen], labels=self.labels[torch.as_tensor(chosen)])

    def labelled(self, labels: Tensor) -> Self:
        return replace(self, labels=labels)

    def to(self, device: torch.device) -> Self:
        return replace(self, labels=self.labels.to(device), device=device)

    def read(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        if not parts:
            return
        for images in _loader(_Parts(self, parts), self.device):
            if isinstance(images, InputError):
                raise images
            yield images.to(self.device, non_blocking=True)


class _Parts(Dataset["Tensor | InputError"]):
    """What a worker does: one part after the other. An error is handed over as a value, to keep its sentence."""

    def __init__(self, split: StreamedSplit, parts: Sequence[Tensor]) -> None:
        self.split, self.parts = split, parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> "Tensor | InputError":
        encoded, side = self.split.encoded, self.split.side
        rows = self.split.rows[to_host(self.parts[index]).numpy()]
        images = np.empty((len(rows), 3, side, side), np.uint8)
        try:
            with without_warnings():
                for place, (row, source) in enumerate(zip(rows, encoded.read(rows), strict=True)):
                    images[place] = decode(source, side, encoded.name(int(row)))
        except InputError as error:
            return error
        return torch.from_numpy(images)


def _loader(parts: _Parts, device: torch.device) -> "Iterator[Tensor | InputError]":
    loader = DataLoader(
        parts,
        batch_size=None,  # a part is a batch already
        collate_fn=_as_it_is,
        num_workers=min(_MOST_WORKERS, usable_cores(), len(parts)),
        worker_init_fn=_begin,
        multiprocessing_context="fork",  # a worker shares the memory of rows and mapped files instead of a copy
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it draws from the global one, and augmentation depends on the loader
    )
    _bound_heap()
    try:
        with _interrupt_later():
            batches = iter(loader)
        try:
            yield from batches
        finally:
            with _interrupt_later():
                del batches
    except RuntimeError as error:
        raise CheckError(
            f"a process that reads images died ({str(error).splitlines()[0]}); check the free memory, and the size "
            "of /dev/shm (in a container: --shm-size)"
        ) from None


def _bound_heap() -> None:
    with suppress(OSError, AttributeError):  # no glibc: another allocator, with other habits
        ctypes.CDLL("libc.so.6").mallopt(_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)


def _as_it_is(images: Any) -> Any:
    return images


def _begin(_worker: int) -> None:
    """A worker says nothing, and ends at once where the loader ends it.

    The hook is called for one thing only: a thread that hands over images and finds the main process gone. What goes
    wrong while reading comes back as a value, and the loader carries other errors.
    """
    sys.excepthook = _say_nothing
    die_with_parent(os.getppid())
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _say_nothing(*_error: object) -> None:
    pass


@contextmanager
def _interrupt_later() -> Iterator[None]:
    """Ctrl-C, and the like, wait while workers start and stop; Ctrl-C never reaches them: they inherit the mask.

    The main process stops them in order. Within a fork, or within the destructor that stops them, an interrupt would
    be lost: Python drops what is raised there.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
