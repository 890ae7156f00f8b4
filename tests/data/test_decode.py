import io
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from proxyless.data.decode import decode
from proxyless.errors import InputError


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("CMYK", "TIFF"), ("1", "PNG")]
)
def test_any_mode_becomes_rgb(mode: str, kind: str) -> None:
    white_above_black = Image.fromarray(np.repeat([[255], [0]], 8, 0).repeat(16, 1).astype(np.uint8)).convert("RGB")
    pixels = decode(_encoded(white_above_black.convert(mode), kind), 16, "image")
    assert pixels.shape == (3, 16, 16) and pixels.dtype == np.uint8
    assert pixels[:, :8].min() == 255 and pixels[:, 8:].max() == 0


def test_sixteen_bits_keep_their_upper_eight() -> None:
    grey = np.array([[0, 0x1234], [0x80FF, 0xFFFF]], np.uint16)
    pixels = decode(_encoded(Image.fromarray(grey), "PNG"), 2, "image")
    assert pixels[0].tolist() == pixels[2].tolist() == [[0, 0x12], [0x80, 0xFF]]


def test_a_transparent_palette_is_read_without_a_warning() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = decode(_encoded(image, "PNG", transparency=bytes([255, 0])), 4, "image")
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0)), (2, (0, -1))]
)
def test_rotated_photos_are_turned_upright(orientation: int, corner: tuple[int, int]) -> None:
    """Where the first stored pixel is shown, by the table of the EXIF standard."""
    stored = np.zeros((16, 16, 3), np.uint8)
    stored[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(_encoded(Image.fromarray(stored), "PNG", exif=exif), 16, "image")
    assert pixels[0][corner] == 255 and pixels[0].sum() == 255


def test_the_centre_is_cropped_and_large_photos_keep_their_colours() -> None:
    wide = np.zeros((400, 1200, 3), np.uint8)
    wide[:, 400:800] = (200, 100, 50)
    pixels = decode(_encoded(Image.fromarray(wide), "JPEG", quality=95), 40, "image")
    np.testing.assert_allclose(pixels[:, 5:-5, 5:-5].mean((1, 2)), (200, 100, 50), atol=3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
def test_a_damaged_file_gets_one_sentence_or_is_read(kind: str) -> None:
    generator = random.Random(0)
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    whole = _encoded(Image.fromarray(noise), kind)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 8)):
            damaged[generator.randrange(min(len(damaged), 200))] = generator.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                decode(bytes(damaged[: generator.randint(1, len(damaged))]), 8, "photo.x")
            except InputError as error:
                refused += 1
                assert "photo.x is not a readable image" in str(error) and "\n" not in str(error)
    assert refused > 50


def test_a_missing_file_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png is not a readable image"):
        decode(tmp_path / "gone.png", 8, "gone.png")
