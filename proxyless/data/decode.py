"""Encoded images to tensors."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from proxyless.data.reader import read_image, without_warnings
from proxyless.errors import InputError, said

Source = Path | bytes

_CHUNK = 512
"""Encoded images that are in memory at a time while all of them are decoded."""


class Encoded(Protocol):
    """Images as they are stored, by row."""

    def read(self, rows: np.ndarray) -> Iterator[Source]:
        """The file, or the contents, of each row, in the order of `rows`."""

    def name(self, row: int) -> str:
        """What errors call the image."""

    def indexed(self) -> "Encoded":
        """The same images, where reading a few rows in any order is cheap; ascending order always is."""


def usable_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def decode(source: Source, resolution: int, name: str) -> np.ndarray:
    """One image as uint8 (3, resolution, resolution); see `pixels_of`."""
    return pixels_of(source, resolution, resolution, name).transpose(2, 0, 1)


def pixels_of(source: Source, height: int, width: int, name: str) -> np.ndarray:
    """One image as uint8 (height, width, 3), as `read_image` makes it.

    Raises:
        InputError: not an image, a damaged one, or one that is too large; the message has `name`.
    """
    try:
        return read_image(source, height, width)
    except Exception as error:  # decoders raise almost anything for a damaged file
        raise InputError(f"{name} is not a readable image ({said(error)}); remove or replace it") from None


def decode_all(encoded: Encoded, rows: np.ndarray, resolution: int) -> Tensor:
    """The images of ascending rows as one tensor, uint8 (N, 3, resolution, resolution).

    Raises:
        InputError: a damaged image.
    """
    images = np.empty((len(rows), 3, resolution, resolution), np.uint8)

    def fill(index: int, source: Source) -> None:
        images[index] = decode(source, resolution, encoded.name(int(rows[index])))

    numbered = enumerate(encoded.read(rows))
    with without_warnings(), ThreadPoolExecutor(usable_cores()) as pool:
        while chunk := list(islice(numbered, _CHUNK)):
            for _ in pool.map(fill, *zip(*chunk, strict=True)):
                pass
    return torch.from_numpy(images)
