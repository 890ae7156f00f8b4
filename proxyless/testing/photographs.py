"""Photographs as cameras and programs of any maker write them."""

import struct
from collections.abc import Sequence


def exif_block(entries: Sequence[tuple[int, int, int, bytes]]) -> bytes:
    """An EXIF block by the TIFF standard: little-endian, one directory, longer values behind it.

    entries: tag, type, count and value of each, in the order of the tags.
    """
    data, out, offset = b"", struct.pack("<H", len(entries)), 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        out += struct.pack("<HHI", tag, kind, count)
        out += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", offset + len(data))
        data += value if len(value) > 4 else b""
    return b"Exif\0\0II*\0\x08\0\0\0" + out + struct.pack("<I", 0) + data
