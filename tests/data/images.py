"""Images on disk for the tests of data."""

import io
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from PIL import Image
from torch import Tensor

from proxyless.data import ImageSplit


def all_images(split: ImageSplit) -> Tensor:
    """Every image of a split, in order."""
    (images,) = split.read([torch.arange(len(split))])
    return images


def save_image(path: Path, value: int, size: tuple[int, int] = (20, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path)
    return path


def save_classes(root: Path, per_class: int = 10) -> Path:
    """Dark cats and bright dogs, each image of its own grey."""
    for label, value in (("cat", 40), ("dog", 200)):
        for index in range(per_class):
            save_image(root / label / f"{index}.png", value + index)
    return root


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((10, 10, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def empty_png(side: int) -> bytes:
    """The head of a PNG file of so many pixels a side, and none of them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def save_parquet(
    folder: Path,
    labels: Sequence[object],
    contents: Sequence[bytes | None] | None = None,
    part: str = "train-0",
    names: Sequence[str] | None = None,
) -> Path:
    """A parquet file of several row groups in the Hugging Face schema; image i is grey of value i."""
    rows = [{"bytes": content, "path": "a.png"} for content in contents or [png(index) for index in range(len(labels))]]
    folder.mkdir(parents=True, exist_ok=True)
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    numbers = pyarrow.array(labels) if labels else pyarrow.array([], pyarrow.int64())
    table = pyarrow.table({"image": pyarrow.array(rows, kind), "label": numbers})
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, folder / f"{part}.parquet", row_group_size=4)
    return folder
