"""What comes from other people, for `fuzz.py`: photographs, folders and parquet files.

A reader that takes a case checks what it made of it: a wrong answer in silence is a failure too.
"""

import io
import json
import os
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image

from fuzz_cases import Files, Reader
from proxyless.data import ImageData, load_data
from proxyless.data.decode import decode
from proxyless.testing.photographs import exif_block

_SIDE = 16

pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # others reserve more address space than a case may take


@cache
def inputs() -> Mapping[str, Reader]:
    """Every reader by name."""
    _warm_up()
    return {
        "EXIF of a photograph": Reader(_photographs(), _use_photograph),
        "folder tree": Reader(_trees(), _use_tree),
        "parquet columns": Reader(_parquet(), _use_parquet),
    }


_TAGS = [0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010E, 0x010F, 0x0110, 0x0111, 0x0112, 0x0115, 0x011A, 0x011B, 0x011C]
_TAGS += [
    0x0128,
    0x012D,
    0x0131,
    0x0132,
    0x013B,
    0x013E,
    0x0201,
    0x0202,
    0x0211,
    0x0213,
    0x8298,
    0x8769,
    0x8825,
    0xA005,
]
_TAGS += [0x927C]
_VALUES = [
    b"",
    b"\0",
    b"\0" * 8,
    b"\xff" * 8,
    struct.pack("<II", 1, 0),
    struct.pack("<d", float("nan")),
    b"text\0" * 50,
]


@st.composite
def _photographs(draw: st.DrawFn) -> Files:
    """A photo with a white upper left quarter, orientation 6, and an odd tag behind it."""
    later = [tag for tag in _TAGS if tag > 0x0112]
    counts = st.sampled_from([0, 1, 2, 3, 9, 1000, 2**31])
    values = st.sampled_from(_VALUES) | st.binary(max_size=300)
    odd = draw(st.lists(st.tuples(st.sampled_from(later), st.integers(0, 13), counts, values), max_size=4))
    block = exif_block([(0x0112, 3, 1, struct.pack("<H", 6)), *sorted(odd)])
    pixels = np.zeros((_SIDE * 2, _SIDE * 2, 3), np.uint8)
    pixels[:_SIDE, :_SIDE] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=block, quality=95)
    return {"photo.jpg": buffer.getvalue()}


def _use_photograph(folder: Path) -> None:
    """No photo is refused for its EXIF, and each is turned: its white quarter is on the right."""
    grey = decode(folder / "photo.jpg", 2 * _SIDE, "photo.jpg")[0]
    assert grey[: _SIDE - 4, _SIDE + 4 :].mean() > 230 > 60 > grey[: _SIDE - 4, : _SIDE - 4].mean()


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


_FOLDERS = [
    "train",
    "Test",
    "val",
    "training_set",
    "dev",
    "cat",
    "dog",
    "new\nline",
    "new line",
    "__MACOSX",
    ".hidden",
    " ",
]
_FOLDERS += [os.fsdecode(b"caf\xe9"), "Großer Hund 🐕", "more", "a.png"]
_FILES = [
    "0.png",
    "1.PNG",
    "2.jpg",
    "._0.png",
    "x.HEIC",
    "licence.pdf",
    "no_suffix",
    "3.webp",
    os.fsdecode(b"\xff.png"),
]


def _good(below: str) -> dict[str, bytes]:
    return {f"{below}{name}/{number}.png": _png(number) for name in ("cat", "dog") for number in range(6)}


@st.composite
def _trees(draw: st.DrawFn) -> Files:
    parts = st.lists(st.sampled_from(_FOLDERS), max_size=3)
    contents = st.integers(0, 255).map(_png) | st.just(b"") | st.binary(max_size=40)
    tree = draw(st.sampled_from([{}, _good(""), _good("train/"), {**_good("train/"), **_good("Test/")}])).copy()
    for folders in draw(st.lists(parts, min_size=1, max_size=8)):
        good = draw(st.booleans())
        for number in range(draw(st.integers(1, 6))):
            name = f"{number}.png" if good else draw(st.sampled_from(_FILES))
            path = "/".join([*folders, name])
            if not any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in tree):
                tree[path] = _png(number) if good else draw(contents)
    return tree


def _use_tree(folder: Path) -> None:
    """Whatever is taken has at least two distinct classes with names that can be written, and all of its labels."""
    _check(load_data(f"imagefolder:{folder}", 8))


def _check(data: ImageData) -> None:
    assert len(set(data.classes)) == len(data.classes) >= 2 and "\n".join(data.classes).encode()
    for split in (data.train, data.test):
        assert len(split) and int(split.labels.min()) >= 0 and int(split.labels.max()) < len(data.classes)
        assert sum(len(images) for images in split.read([torch.arange(len(split))])) == len(split)


_TYPES = [pyarrow.int8(), pyarrow.uint64(), pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]
_TYPES += [
    pyarrow.bool_(),
    pyarrow.float32(),
    pyarrow.null(),
    pyarrow.binary(),
    pyarrow.date32(),
    pyarrow.list_(pyarrow.int8()),
]
_TYPES += [pyarrow.dictionary(pyarrow.int8(), kind) for kind in (pyarrow.string(), pyarrow.int64(), pyarrow.float64())]


_GOOD_LABELS: list[list[Any]] = [[0, 1], ["cat", "dog"], [False, True], [7, 3, 3]]


@st.composite
def _parquet(draw: st.DrawFn) -> Files:
    files, alike = {}, draw(st.none() | st.sampled_from(_GOOD_LABELS))
    for split in draw(st.lists(st.sampled_from(["train", "test", "Val", "dev", "extra"]), min_size=1, unique=True)):
        rows, kind = draw(st.integers(0, 12)), draw(st.sampled_from(_TYPES))
        labels = [draw(_label(kind)) for _ in range(rows)]
        if alike is not None and draw(st.integers(0, 5)):
            labels, kind = (alike * 12)[: rows + 10], pyarrow.array(alike).type
        images = [{"bytes": _png(row), "path": None} for row in range(len(labels))]
        struct_type = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        columns = {"image": pyarrow.array(images, struct_type), "label": pyarrow.array(labels, kind)}
        for name in draw(st.lists(st.sampled_from(["image", "label"]), max_size=1)) if draw(st.booleans()) else []:
            del columns[name]
        table = pyarrow.table(columns).replace_schema_metadata(draw(_metadata()))
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table, buffer)
        files[f"{split}-0.parquet"] = buffer.getvalue()
    return files


def _label(kind: pyarrow.DataType) -> SearchStrategy[Any]:
    plain = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    known: list[tuple[Any, SearchStrategy[Any]]] = [
        (pyarrow.types.is_unsigned_integer, st.sampled_from([0, 1, 2**64 - 1])),
        (pyarrow.types.is_integer, st.sampled_from([-1, 0, 1, 2])),
        (pyarrow.types.is_boolean, st.booleans()),
        (pyarrow.types.is_floating, st.floats(width=32)),
        (pyarrow.types.is_date, st.integers(0, 9)),
        (pyarrow.types.is_list, st.lists(st.integers(0, 9))),
        (pyarrow.types.is_binary, st.binary(max_size=3)),
        (pyarrow.types.is_null, st.none()),
    ]
    values = next((values for test, values in known if test(plain)), st.sampled_from(["cat", "dog", "a\nb", "a b", ""]))
    return values | st.none() if pyarrow.types.is_dictionary(kind) else values


def _metadata() -> SearchStrategy[dict[str, str] | None]:
    names = st.lists(st.sampled_from(["cat", "dog", "fox", "", "\ud800"]), max_size=4) | st.just("cat") | st.integers()
    return st.none() | names.map(
        lambda found: {"huggingface": json.dumps({"info": {"features": {"label": {"names": found}}}})}
    )


def _warm_up() -> None:
    """What Arrow and others take for themselves, once, is not the memory of a case."""
    with tempfile.TemporaryDirectory() as name:
        images = pyarrow.array(
            [{"bytes": _png(row)} for row in range(20)], pyarrow.struct([("bytes", pyarrow.binary())])
        )
        pyarrow.parquet.write_table(
            pyarrow.table({"image": images, "label": pyarrow.array([0, 1] * 10)}), Path(name) / "train.parquet"
        )
        _use_parquet(Path(name))


def _use_parquet(folder: Path) -> None:
    _check(load_data(f"parquet:{folder}", 8))
