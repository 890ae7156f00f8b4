"""The epochs of a search in TensorBoard, where that is installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from proxyless.progress import Record, Reporter

BOARD = "tensorboard"

_EVENTS = "events.out.tfevents.*"
_CELL = 16
"""Side of one probability in the picture, in pixels."""


class BoardReporter:
    """Writes records beside passing everything on; without the package `tensorboard` it only passes on.

    Importing TensorBoard takes a second or two: that is paid when the first epoch is complete, hence by searches that
    run, and by no command that is refused. The whole history is then written anew, so that a search that was resumed
    has every point once, also where the package was installed in between.
    """

    def __init__(self, folder: Path, history: Sequence[Record], inner: Reporter) -> None:
        self.folder, self.history, self.inner = folder, history, inner
        self._written = 0
        self._writer: Any = None

    def progress(self, done: int, total: int, status: str) -> None:
        self.inner.progress(done, total, status)

    def epoch(self, record: Record) -> None:
        if self._written == 0:
            self._writer = _open(self.folder)
        if self._writer is not None:
            for each in self.history[self._written :]:
                _write(self._writer, each)
            self._writer.flush()
        self._written = len(self.history)
        self.inner.epoch(record)


def _open(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    for old in folder.glob(_EVENTS):
        old.unlink()
    return SummaryWriter(str(folder))


def _write(writer: Any, record: Record) -> None:
    """One point of every curve, at the number of the epoch, and the picture (layers down, operations across)."""
    for name, value in _scalars(record).items():
        if value is not None:
            writer.add_scalar(name, value, record["epoch"])
    writer.add_image("probabilities", _picture(record["probabilities"]), record["epoch"])


def _scalars(record: Record) -> dict[str, float | None]:
    parts = {
        f"{what}/{part}": record[f"{part}_{what}"] for what in ("loss", "accuracy") for part in ("train", "held_out")
    }
    ratios = {f"expected_over_limit/{b['name']}": b["expected"] / b["limit"] for b in record["bounds"]}
    multipliers = {f"multiplier/{b['name']}": b["multiplier"] for b in record["bounds"]}
    state = {f"architecture/{name}": record[name] for name in ("entropy", "skip_share")}
    return {**parts, **ratios, **multipliers, **state}


def _picture(probabilities: Sequence[Sequence[float]]) -> np.ndarray:
    """(1, height, width) in [0, 1]; black where a layer has fewer operations."""
    grid = np.zeros((len(probabilities), max(map(len, probabilities))), np.float32)
    for layer, row in enumerate(probabilities):
        grid[layer, : len(row)] = row
    return np.kron(grid, np.ones((_CELL, _CELL), np.float32))[None]
