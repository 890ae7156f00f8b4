"""Images of any size and kind, prepared as the receiver of an export prepares them, without taking memory."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from export.receiver.classify import fit
from proxyless.errors import InputError, said

MAX_PIXELS = 89_478_485
"""Of one image in memory, as in Pillow: a third of a gigabyte."""


def read_image(path: Path, height: int, width: int) -> np.ndarray:
    """An image as uint8 (height, width, 3).

    Raises:
        InputError: not an image, a damaged one, or one that is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Pillow reads in spite of a fault
            _check_size(path, height, width)
            with _open(path) as image:
                return fit(image, height, width)
    except Exception as error:  # decoders raise almost anything for a damaged file
        raise InputError(f"{path} is not a readable image ({said(error)})") from None


def _open(path: Path) -> Image.Image:
    """Pillow's own `open` refuses large images before it is known how much of a JPEG will be decoded."""
    with path.open("rb") as file:
        is_jpeg = file.read(3) == b"\xff\xd8\xff"
    return JpegImageFile(path) if is_jpeg else Image.open(path)


def _check_size(path: Path, height: int, width: int) -> None:
    with _open(path) as image:
        pixels = image.width * image.height
        image.draft(None, (2 * width, 2 * height))
        if not image.info.get("progressive"):  # all of which is kept in memory in any case
            pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise ValueError(f"it has {pixels} pixels, more than {MAX_PIXELS}; make it smaller")
