"""One way to read an image: for training, for `predict`, and for the receiver's classify.py, which carries this code.

So it needs nothing but numpy and Pillow (9.1 or later), and Python 3.8.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

MOST_PIXELS = 89_478_485
"""Of one image in memory, as in Pillow: a third of a gigabyte."""

_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of that orientation upright, by the table of the EXIF standard."""

_SIXTEEN_BITS = ("PNG", "PPM")
"""Formats whose pixels have 16 bits at most, also where Pillow shows them with 32."""

_NEARLY_WHITE = 240


def read_image(source: Path | bytes, height: int, width: int) -> np.ndarray:
    """uint8 (height, width, 3): upright, RGB, the shorter side resized, the centre cropped.

    Of EXIF only the orientation is read. The first of several frames is taken; of 16 bits per channel the upper eight.
    What is transparent becomes white, or black where on white nothing would be seen; where all of it is transparent,
    the colours below are shown.

    Raises:
        Exception: whatever Pillow raises for a damaged file, and ValueError for what would be misread: pixels of 32
            bits or floats, more than `MOST_PIXELS`, no regular file.
    """
    if not isinstance(source, bytes) and source.exists() and not source.is_file():
        raise ValueError("it is not a regular file")
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        image = _decoded(file, height, width)
        return np.asarray(_fitted(_turned(_rgb(image), _orientation(image)), height, width))


@contextmanager
def without_warnings() -> Iterator[None]:
    """Of what Pillow reads in spite of a fault: they name no file. Around all threads that read, not within one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decoded(file: BinaryIO, height: int, width: int) -> Image.Image:
    """The pixels as they are stored; a large JPEG is decoded at a fraction of its size."""
    is_jpeg = file.read(3) == b"\xff\xd8\xff"
    file.seek(0)
    image = _opened_jpeg(file) if is_jpeg else Image.open(file)
    if image.format == "TIFF":
        _forget_tags(image)
    whole = image.width * image.height
    image.draft(None, (2 * width, 2 * height))
    # All of a progressive one is kept in memory in any case.
    pixels = whole if image.info.get("progressive") else image.width * image.height
    if pixels > MOST_PIXELS:
        raise ValueError(f"it has {pixels} pixels, more than {MOST_PIXELS}; make it smaller")
    image.load()
    return image


def _opened_jpeg(file: BinaryIO) -> Image.Image:
    """Pillow's own `open` refuses large images before it is known how much of a JPEG will be decoded."""
    try:
        return JpegImageFile(file)
    except Exception:  # it looks for a resolution in the EXIF block, which may hold anything
        file.seek(0)
        bare, exif = _without_exif(file.read())
        if exif is None:
            raise
        image = JpegImageFile(BytesIO(bare))
        image.info["exif"] = exif
        return image


def _without_exif(jpeg: bytes) -> tuple[bytes, bytes | None]:
    """The file without its EXIF block, and the block."""
    place, exif, kept = 2, None, jpeg[:2]
    while jpeg[place : place + 1] == b"\xff" and jpeg[place + 1] not in (0xD9, 0xDA):
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if jpeg[place + 1] == 0xE1 and jpeg[place + 4 : place + 10] == b"Exif\0\0":
            exif = jpeg[place + 4 : end]
        else:
            kept += jpeg[place:end]
        place = end
    return kept + jpeg[place:], exif


def _forget_tags(image: Image.Image) -> None:
    """Pillow turns a TIFF itself, and follows whatever its tags point to: leave it the orientation alone."""
    exif = Image.Exif()
    with suppress(Exception):
        exif[_ORIENTATION] = int(image.tag_v2[_ORIENTATION])  # type: ignore[attr-defined]
    image.info["exif"] = exif.tobytes()
    image.info.pop("xmp", None)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF may hold anything, and no photo is refused for it
        return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and image.format not in _SIXTEEN_BITS):
        kind = "floats" if image.mode == "F" else "of 32 bits"
        raise ValueError(f"its pixels are {kind}, whose black and white are not known; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # of which convert() would keep the lower eight bits
        values = np.asarray(image).astype(np.int64) >> (_bits(image) - 8)
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "LA", "PA"):
        return _opaque(image.convert("RGBA"))
    return image.convert("RGB")


def _bits(image: Image.Image) -> int:
    """Of a pixel: a TIFF may have 12, which Pillow shows with 16."""
    stored = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, 16)
    return int(stored[0] if isinstance(stored, tuple) else stored)


def _opaque(image: Image.Image) -> Image.Image:
    if image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if np.asarray(on_white).min() < _NEARLY_WHITE:
        return on_white
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
