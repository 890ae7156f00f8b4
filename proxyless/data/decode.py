"""Encoded images to tensors."""

import io
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from proxyless.errors import InputError

Source = Path | bytes

_CHUNK = 512
"""Encoded images that are in memory at a time while all of them are decoded."""

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)
"""What Pillow's decoders raise for damaged files, beside its own errors."""


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
    """One image as uint8 (3, resolution, resolution): upright, RGB, shorter side resized, centre cropped.

    Raises:
        InputError: not an image, or a damaged one; the message has `name`.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.draft(None, (2 * resolution, 2 * resolution))  # a large JPEG is decoded at a fraction of its size
            ImageOps.exif_transpose(image, in_place=True)
            upright = _rgb(image)
            if upright.size != (resolution, resolution):
                upright = ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BILINEAR)
            return np.asarray(upright).transpose(2, 0, 1)
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is not a readable image ({error}); remove or replace it") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits per pixel, of which convert() would keep the lower eight
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns when it loses transparency in one step
    return image if image.mode == "RGB" else image.convert("RGB")


def decode_all(encoded: Encoded, rows: np.ndarray, resolution: int) -> Tensor:
    """The images of ascending rows as one tensor, uint8 (N, 3, resolution, resolution).

    Raises:
        InputError: a damaged image.
    """
    images = np.empty((len(rows), 3, resolution, resolution), np.uint8)

    def fill(index: int, source: Source) -> None:
        images[index] = decode(source, resolution, encoded.name(int(rows[index])))

    numbered = enumerate(encoded.read(rows))
    with ThreadPoolExecutor(usable_cores()) as pool:
        while chunk := list(islice(numbered, _CHUNK)):
            for _ in pool.map(fill, *zip(*chunk, strict=True)):
                pass
    return torch.from_numpy(images)
