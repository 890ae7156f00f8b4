"""Copies of encoded images that can be read in any order: Arrow files, mapped into memory.

A parquet file is compressed in groups of rows, so that reading one image means reading hundreds. The copy is
made once, and found again by the file's path, size and time.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow

from proxyless.data.decode import Source
from proxyless.errors import InputError
from proxyless.files import output_folder, replacing

_SCHEMA = pyarrow.schema({"bytes": pyarrow.binary()})


class MappedImages:
    """Images in Arrow files, one after the other. name: what errors call an image."""

    def __init__(self, files: Sequence[Path], name: Callable[[int], str]) -> None:
        tables = [pyarrow.ipc.open_file(pyarrow.memory_map(str(file))).read_all() for file in files]
        self._contents = pyarrow.concat_tables(tables)["bytes"]
        self.name = name

    def read(self, rows: np.ndarray) -> Iterator[Source]:
        return (self._contents[int(row)].as_py() for row in rows)

    def indexed(self) -> "MappedImages":
        return self


def mapped_copy(original: Path, size_bytes: int, batches: Iterator[pyarrow.Array]) -> Path:
    """The Arrow file with the images of `original`; written from the batches if there is none yet.

    size_bytes: what the copy will take.

    Raises:
        InputError: not enough disk space.
    """
    state = original.stat()
    identity = f"{original.resolve()} {state.st_size} {state.st_mtime_ns}"
    path = cache_folder() / f"{original.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.arrow"
    if not path.exists():
        with _alone(path):
            if not path.exists():  # another process may have written it meanwhile
                _write(original, path, size_bytes, batches)
    return path


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Of several processes on a machine, such as those of torchrun, one at a time: the others find what it wrote."""
    with (output_folder(path.parent) / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(original: Path, path: Path, size_bytes: int, batches: Iterator[pyarrow.Array]) -> None:
    free = shutil.disk_usage(path.parent).free
    if size_bytes > free:
        raise InputError(
            f"{original} does not fit in memory and is copied for reading in random order, which takes "
            f"{size_bytes / 2**30:.1f} GiB in {path.parent}, where {free / 2**30:.1f} GiB are free; set "
            "XDG_CACHE_HOME to a folder with more"
        )
    with replacing(path) as temporary, pyarrow.ipc.new_file(str(temporary), _SCHEMA) as writer:
        for batch in batches:
            writer.write_batch(pyarrow.record_batch([batch], schema=_SCHEMA))


def cache_folder() -> Path:
    """Where copies are kept; it may be deleted whenever nothing runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "proxyless" / "images"
