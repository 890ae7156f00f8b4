"""What comes from other people, for `fuzz.py`: photographs, folders, parquet files, devices and checkpoints.

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
from latency.devices import DeviceError, Event, Job
from latency.devices.attempts import run_schedule
from latency.devices.base import OnEvent
from latency.devices.events import events_only
from latency.devices.lines import Ended
from latency.partial import PartialFile
from latency.timing import Samples
from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.data import ImageData, Split, load_data, make_data
from proxyless.data.decode import decode
from proxyless.errors import InputError
from proxyless.space import Architecture, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training

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
        "replies of a device": Reader(_replies(), _use_replies),
        "unfinished profile": Reader(_partials(), _use_partial),
        "checkpoint": Reader(_checkpoints(), _use_checkpoint),
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


def _ifd(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """An EXIF block by the TIFF standard."""
    data, out, offset = b"", struct.pack("<H", len(entries)), 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        out += struct.pack("<HHI", tag, kind, count)
        out += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", offset + len(data))
        data += value if len(value) > 4 else b""
    return b"Exif\0\0II*\0\x08\0\0\0" + out + struct.pack("<I", 0) + data


@st.composite
def _photographs(draw: st.DrawFn) -> Files:
    """A photo with a white upper left quarter, orientation 6, and an odd tag behind it."""
    later = [tag for tag in _TAGS if tag > 0x0112]
    counts = st.sampled_from([0, 1, 2, 3, 9, 1000, 2**31])
    values = st.sampled_from(_VALUES) | st.binary(max_size=300)
    odd = draw(st.lists(st.tuples(st.sampled_from(later), st.integers(0, 13), counts, values), max_size=4))
    block = _ifd([(0x0112, 3, 1, struct.pack("<H", 6)), *sorted(odd)])
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


_GOOD = [
    {"event": "ready", "runtime": "x 1", "processor": "y", "cpus": 4},
    {"event": "sample", "id": "a", "round": 0, "ms": [1.5, 1.25]},
    {"event": "failed", "id": "a", "round": 1, "error": "no"},
    {"event": "memory", "peak_bytes": 5},
    {"event": "exit", "code": 0},
    {"event": "loaded", "item": "a", "inputs": {"x": [[1, 3], "float32"]}},
]
_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    1e-300,
    1e308,
    "",
    "1",
    "\x1b[31m",
    [],
    {},
    [[]],
    [None],
]
_ODD += [["1"], [1, "x"], {"a": 1}, "x" * 5000, [1e309], [[1.0]], "\ud800"]


@st.composite
def _line(draw: st.DrawFn) -> bytes:
    event: dict[str, Any] = dict(draw(st.sampled_from(_GOOD)))
    match draw(st.sampled_from(["good", "good", "change", "change", "drop", "text", "deep"])):
        case "change":
            event[draw(st.sampled_from(sorted(event)))] = draw(st.sampled_from(_ODD))
        case "drop":
            del event[draw(st.sampled_from(sorted(event)))]
        case "text":
            return draw(st.binary(max_size=60)).replace(b"\n", b"")
        case "deep":
            return b'{"event": ' + b"[" * 50_000
    return json.dumps(event).encode()


def _replies() -> SearchStrategy[Files]:
    return st.lists(_line(), max_size=6).map(lambda lines: {"lines": b"\n".join(lines)})


def _check_samples(samples: Samples) -> None:
    for (number, item), ms in samples.visits.items():
        assert isinstance(number, int) and isinstance(item, str) and ms
        assert all(isinstance(value, float) and 1e-6 <= value <= 1e8 for value in ms)


def _use_replies(folder: Path) -> None:
    """Only visits that were asked for become samples, of times that there can be."""
    lines = (folder / "lines").read_bytes().decode(errors="replace").split("\n")
    samples = Samples()

    def attempt(job: Job, on_event: OnEvent) -> Ended:
        hand_over = events_only(on_event)
        for line in lines:
            hand_over(line)
        return Ended(1, "over")

    def record(event: Event) -> None:
        samples.add(event)

    job = Job(Path("runner.py"), {"a": Path("a")}, ((0, "a"), (1, "a")))
    try:
        run_schedule("board", job, attempt, record)
    except DeviceError as error:
        raise InputError(str(error)) from None
    finally:
        _check_samples(samples)
        assert set(samples.visits) <= set(job.schedule)


def _partials() -> SearchStrategy[Files]:
    heads = st.sampled_from([b"{}", b'{"space": 1}', b"[]", b"x", b"", b"[" * 50_000])
    return st.tuples(heads, st.lists(_line(), max_size=5)).map(
        lambda parts: {"t.json.partial": b"\n".join([parts[0], *parts[1]]) + b"\n"}
    )


def _use_partial(folder: Path) -> None:
    with PartialFile(folder / "t.json", {}) as partial:
        _check_samples(partial.samples)


@cache
def _training() -> Training:
    images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, _SIDE, _SIDE).contiguous()
    split = Split(images, torch.arange(20) % 2)
    space = tiny_fixed(resolution=_SIDE, num_classes=2)
    network = Architecture(space, tuple(decision.choices[0] for decision in space.decisions))
    settings = TrainSettings(epochs=2, warmup_epochs=0, batch_size=4, device="cpu")
    return Training(network, make_data("fuzz", split, split, ["a", "b"], "none"), settings)


def _saved(state: Any, folder: Path) -> bytes:
    save_checkpoint(folder / "checkpoint.pt", state)
    return (folder / "checkpoint.pt").read_bytes()


@st.composite
def _checkpoints(draw: st.DrawFn) -> Files:
    """The state of a training with one value changed, or its bytes damaged."""
    state = _training().state_dict()
    weights = dict(state["network"])
    name = draw(st.sampled_from(sorted(weights)))
    match draw(st.sampled_from(["whole", "top", "top", "weight", "bytes", "bytes"])):
        case "top":
            state[draw(st.sampled_from(sorted(state)))] = draw(
                st.sampled_from([value for value in _ODD if value != "\ud800"])
            )
        case "weight":
            wrong: list[Any] = [torch.full_like(weights[name], float("nan")), torch.zeros(3), None, [1.0], "x"]
            weights[name] = wrong[draw(st.integers(0, len(wrong) - 1))]
            state["network"] = weights
    with tempfile.TemporaryDirectory() as folder:
        content = bytearray(_saved(state, Path(folder)))
    if draw(st.booleans()):
        content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return {"checkpoint.pt": bytes(content)}


def _use_checkpoint(folder: Path) -> None:
    """What is taken up is of this training, and its weights are numbers."""
    training = _training()
    training.resume(folder / "checkpoint.pt")
    assert training.epoch in (0, 1, 2) and len(training.history) == training.epoch
    state = load_checkpoint(folder / "checkpoint.pt")
    assert not any(bool(torch.isnan(tensor).any()) for tensor in state["network"].values())
