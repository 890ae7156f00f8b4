"""Photos and files of any maker: read as they look, or refused by name; never with another image than one sees."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from proxyless.data.decode import decode
from proxyless.data.folders import image_suffixes
from proxyless.data.reader import read_image
from proxyless.errors import InputError
from proxyless.testing.photographs import exif_block

_TAGS = [0x0100, 0x010E, 0x010F, 0x0112, 0x011A, 0x0128, 0x0131, 0x0132, 0x8298, 0x8769, 0x8825, 0x9003, 0x927C, 0xA005]
_TYPES = range(14)
_VALUES = [b"\0" * 8, b"\xff" * 8, struct.pack("<II", 1, 0), b"text\0\0\0\0"]


_TURNED = (0x0112, 3, 1, struct.pack("<H", 6))


def _corner(kind: str = "JPEG", **options: object) -> bytes:
    """A dark image with a white upper left quarter."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :16] = 255
    return _encoded(Image.fromarray(pixels), kind, **options)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("tag", _TAGS)
def test_no_exif_tag_keeps_a_photo_from_being_read_and_turned(tag: int) -> None:
    """Whatever type, count and value a tag has: the orientation beside it is 6, a quarter turn clockwise."""
    for kind in _TYPES:
        for count in (0, 1, 2, 9):
            for value in _VALUES:
                entries = sorted([(tag, kind, count, value), *([_TURNED] if tag != 0x0112 else [])])
                pixels = decode(_corner(exif=exif_block(entries), quality=95), 32, "photo")[0]
                assert max(pixels[:12, :12].mean(), pixels[:12, 20:].mean()) > 240
                if tag > 0x0112:  # Pillow reads up to the first entry that is damaged
                    assert pixels[:12, 20:].mean() > 240


def test_a_resolution_that_cannot_be_read_keeps_no_photo_from_being_read() -> None:
    """Pillow looks for it when it opens a JPEG that says none itself."""
    for kind, count in ((1, 1), (2, 1), (5, 0), (7, 3)):
        entries = [_TURNED, (0x011A, kind, count, b"\0"), (0x0128, 3, 1, struct.pack("<H", 2))]
        jpeg = _corner(exif=exif_block(entries), quality=95)
        bare = jpeg[:2] + jpeg[2 + 2 + int.from_bytes(jpeg[4:6], "big") :]  # without the JFIF block
        for photo in (jpeg, bare):
            pixels = decode(photo, 32, "photo")[0]
            assert pixels[:12, 20:].mean() > 240 and pixels[:12, :12].mean() < 50


@pytest.mark.parametrize("tag", [700, 34665, 34853, 40965])
def test_no_tag_of_a_tiff_keeps_it_from_being_read_and_turned(tag: int) -> None:
    for kind in (1, 3, 4, 5, 6, 12, 13, 16):
        buffer = io.BytesIO()
        pixels = np.zeros((32, 32), np.uint8)
        pixels[:16, :16] = 255
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[0x0112] = 6
        info.tagtype[tag] = kind
        info[tag] = b"\xff\xff" if kind in (1, 7) else ((1.5,) if kind in (5, 12) else (2**15,) if kind != 6 else (-3,))
        Image.fromarray(pixels).save(buffer, "TIFF", tiffinfo=info)
        found = decode(buffer.getvalue(), 32, "scan")[0]
        assert found[:12, 20:].mean() > 240 and found[:12, :12].mean() < 50


def test_twelve_bits_of_a_tiff_keep_their_upper_eight() -> None:
    """Two pixels of 12 bits in three bytes, which Pillow shows with sixteen."""
    ramp = np.array([0x000, 0x7F0, 0x800, 0xFFF], np.uint16)
    packed = b"".join(bytes([a >> 4, ((a & 15) << 4) | (b >> 8), b & 255]) for a, b in ramp.reshape(-1, 2).tolist())
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(packed))]
    data = packed.ljust(8, b"\0")
    tags[5] = (273, 8)
    offset = 8 + len(data)
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0" + struct.pack("<I", offset) + data + directory + b"\0" * 4
    assert read_image(tiff, 1, 4)[0, :, 0].tolist() == [0x00, 0x7F, 0x80, 0xFF]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_format_that_carries_an_orientation_is_turned_once(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = decode(_corner(kind, exif=exif), 32, "photo")[0]
    assert pixels[:12, 20:].mean() > 200 and pixels[:12, :12].mean() < 50


def _alpha(colour: int, alpha: np.ndarray) -> Image.Image:
    return Image.merge("LA", [Image.new("L", alpha.shape[::-1], colour), Image.fromarray(alpha)])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (128, 255)])
def test_icons_drawn_in_alpha_alone_are_seen(ink: int, paper: int, mode: str) -> None:
    drawn = np.zeros((16, 16), np.uint8)
    drawn[4:12, 4:12] = 255
    pixels = decode(_encoded(_alpha(ink, drawn).convert(mode), "PNG"), 16, "icon")[0]
    assert pixels[8, 8] == ink and pixels[0, 0] == paper


def test_half_transparent_pixels_are_mixed_with_white_and_what_shows_nothing_keeps_its_colours() -> None:
    half = np.full((8, 8), 128, np.uint8)
    assert abs(int(decode(_encoded(_alpha(0, half), "PNG"), 8, "icon")[0, 0, 0]) - 127) <= 1
    nothing = np.zeros((8, 8), np.uint8)
    assert decode(_encoded(_alpha(77, nothing), "PNG"), 8, "icon")[0, 0, 0] == 77


@pytest.mark.parametrize("mode", ["F", "I"])
def test_floats_and_32_bits_are_refused_by_name(mode: str) -> None:
    image = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).convert(mode)
    with pytest.raises(InputError, match=r"scan\.tif is not a readable image \(its pixels are (floats|of 32 bits)"):
        decode(_encoded(image, "TIFF"), 8, "scan.tif")


def test_sixteen_bits_of_every_format_keep_their_upper_eight() -> None:
    grey = Image.fromarray(np.full((4, 4), 0x8012, np.uint16))
    assert {int(decode(_encoded(grey, kind), 4, "x")[0, 0, 0]) for kind in ("PNG", "TIFF", "PPM")} == {0x80}


def test_large_images_are_read_where_they_fit_in_memory(tmp_path: Path) -> None:
    """192 megapixels of a JPEG are decoded at an eighth of the side; those of other formats would take them all."""
    Image.new("L", (16_000, 12_000), 120).save(tmp_path / "scan.jpg", quality=20)
    assert abs(int(decode(tmp_path / "scan.jpg", 32, "scan.jpg")[0, 0, 0]) - 120) < 3
    Image.new("1", (10_000, 9_600)).save(tmp_path / "scan.png")  # 96 megapixels, of which Pillow only warns
    with pytest.raises(InputError, match="it has 96000000 pixels, more than 89478485; make it smaller"):
        decode(tmp_path / "scan.png", 32, "scan.png")


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match="it is not a regular file"):
        read_image(tmp_path / "pipe.jpg", 8, 8)


def test_pillow_warns_nobody(tmp_path: Path) -> None:
    """A cut EXIF block, with which Pillow names a line of its own."""
    (tmp_path / "photo.jpg").write_bytes(_corner(exif=exif_block([_TURNED, (0x010E, 2, 500, b"cut off here")])))
    code = "import sys; from pathlib import Path; from proxyless.data.decode import decode_all; import numpy as np\n"
    code += "class Files:\n  read = lambda self, rows: iter([Path(sys.argv[1])])\n  name = lambda self, row: 'x'\n"
    code += "decode_all(Files(), np.arange(1), 8)"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "photo.jpg"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_suffixes_are_of_formats_that_are_decoded() -> None:
    suffixes = image_suffixes()
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".ppm", ".jp2"} <= suffixes
    assert not suffixes & {".pdf", ".h5", ".hdf", ".mpg", ".grib", ".bufr", ".wmf", ".emf", ".eps", ".ps"}
