"""Image files to tensors."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from proxyless.data.base import Augmentation
from proxyless.errors import InputError

Source = Path | bytes

MEMORY_SHARE = 0.2
"""The decoded images of one split may take this share of the machine's memory."""


def decode(source: Source, resolution: int, name: str) -> np.ndarray:
    """One image as uint8 (3, resolution, resolution): upright, RGB, shorter side resized, centre cropped.

    Raises:
        InputError: not an image, or a damaged one; the message has `name`.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            if upright.size != (resolution, resolution):
                upright = ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BILINEAR)
            return np.asarray(upright).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name} is not a readable image ({error}); remove or replace it") from None


def decode_all(sources: Sequence[Source], resolution: int, name: Callable[[int], str]) -> Tensor:
    """All images as one tensor, uint8 (N, 3, resolution, resolution). `name(i)` is what errors call image i.

    Raises:
        InputError: a damaged image, or more than fits in memory.
    """
    needed = len(sources) * 3 * resolution**2
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > MEMORY_SHARE * memory:
        raise InputError(
            f"{len(sources)} images at {resolution}x{resolution} take {needed / 2**30:.1f} GiB decoded, more than "
            f"{MEMORY_SHARE:.0%} of this machine's memory; use a lower resolution or limit the number of images"
        )
    images = np.empty((len(sources), 3, resolution, resolution), np.uint8)

    def fill(index: int) -> None:
        images[index] = decode(sources[index], resolution, name(index))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(fill, range(len(sources))):
            pass
    return torch.from_numpy(images)


def default_augmentation(resolution: int) -> Augmentation:
    """Small images are shifted and flipped, larger ones cropped at random sizes."""
    return "crop" if resolution <= 64 else "resized_crop"
