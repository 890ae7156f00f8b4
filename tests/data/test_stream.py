"""Streamed data are the data in memory, but for where they are."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow
import pytest
import torch

from proxyless.data import Batches, ImageData, ImageSplit, Split, load_data
from proxyless.data.arrow import MappedImages, mapped_copy
from proxyless.data.augment import Augmentation
from proxyless.data.part import memory_bytes
from proxyless.data.stream import StreamedSplit
from proxyless.errors import InputError
from tests.data.images import all_images, png, save_classes, save_image, save_parquet

_CPU = torch.device("cpu")
_STREAM = "proxyless.data.part.MEMORY_SHARE"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(params=["imagefolder", "parquet"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ImageData, ImageData]:
    """The same data in memory and streamed."""
    folder = tmp_path / "data"
    if request.param == "imagefolder":
        save_classes(folder, per_class=25)
    else:
        for part, count in (("train-0", 23), ("train-1", 17), ("test", 10)):
            save_parquet(folder, [index % 2 for index in range(count)], part=part)
    in_memory = load_data(f"{request.param}:{folder}", 16)
    monkeypatch.setattr(_STREAM, 0.0)
    return in_memory, load_data(f"{request.param}:{folder}", 16)


def _epoch(data: ImageData, split: ImageSplit, epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(1)
    return list(Batches(data, split, 8, _CPU).shuffled(5, "train", epoch))


def _assert_equal(
    first: list[tuple[torch.Tensor, torch.Tensor]], other: list[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    for (images, labels), (same_images, same_labels) in zip(first, other, strict=True):
        assert torch.equal(images, same_images) and torch.equal(labels, same_labels)


@pytest.mark.parametrize("augmentation", ["none", "crop"])
def test_batches_are_the_same_bit_for_bit(both: tuple[ImageData, ImageData], augmentation: Augmentation) -> None:
    in_memory, streamed = (replace(data, augmentation=augmentation) for data in both)
    assert isinstance(in_memory.train, Split) and isinstance(streamed.train, StreamedSplit)
    assert replace(in_memory, train=streamed.train, test=streamed.test) == streamed
    for epoch in (0, 1):
        _assert_equal(_epoch(in_memory, in_memory.train, epoch), _epoch(streamed, streamed.train, epoch))
    for ours, theirs in zip(in_memory.divide_train(0.3, 2), streamed.divide_train(0.3, 2), strict=True):
        assert torch.equal(ours.labels, theirs.labels) and torch.equal(all_images(ours), all_images(theirs))
        ordered = [
            list(Batches(data, part, 8, _CPU).ordered()) for data, part in ((in_memory, ours), (streamed, theirs))
        ]
        _assert_equal(*ordered)


def test_two_epochs_that_take_turns_and_one_that_is_left_early_change_nothing(
    both: tuple[ImageData, ImageData],
) -> None:
    """As in a search: held-out batches are taken between training batches, and an epoch of them is never finished."""

    def interleaved(data: ImageData) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        torch.manual_seed(1)
        train, held_out = (Batches(data, part, 4, _CPU) for part in data.divide_train(0.5, 0))
        others = held_out.shuffled(0, "held-out", 0)
        for batch, _ in zip(train.shuffled(0, "train", 0), range(3), strict=False):
            yield batch
            yield next(others)

    _assert_equal(list(interleaved(both[0])), list(interleaved(both[1])))


def test_a_damaged_image_is_named_when_it_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_STREAM, 0.0)
    save_classes(tmp_path / "data", per_class=400)  # more than the statistics look at
    data = load_data(f"imagefolder:{tmp_path / 'data'}", 8)
    (tmp_path / "data" / "dog" / "77.png").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"^\S*dog/77\.png is not a readable image \(.*\); remove or replace it$"):
        for split in (data.train, data.test):
            list(Batches(data, split, 32, _CPU).ordered())


def test_copies_of_parquet_are_found_again_unless_the_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_STREAM, 0.0)
    for part in ("train", "test"):
        save_parquet(tmp_path / "data", [0, 1] * 5, part=part)

    def copies() -> dict[str, int]:
        load_data(f"parquet:{tmp_path / 'data'}", 8)
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.arrow")}

    first = copies()
    assert len(first) == 2 and copies() == first
    save_parquet(tmp_path / "data", [0, 1] * 5, [png(99)] * 10, part="train")
    assert len(copies()) == 3
    assert int(all_images(load_data(f"parquet:{tmp_path / 'data'}", 8).train).min()) == 99


def test_every_process_of_torchrun_finds_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the ones that write nothing else, on a machine without the first one."""
    for part in ("train", "test"):
        save_parquet(tmp_path / "data", [0, 1] * 5, part=part)
    in_memory = load_data(f"parquet:{tmp_path / 'data'}", 8)
    monkeypatch.setattr(_STREAM, 0.0)
    monkeypatch.setenv("RANK", "1")
    streamed = load_data(f"parquet:{tmp_path / 'data'}", 8)
    assert torch.equal(all_images(in_memory.train), all_images(streamed.train))
    assert len(list((tmp_path / "cache").rglob("*.arrow"))) == 2


def test_of_several_that_need_a_copy_at_once_one_writes_it(tmp_path: Path) -> None:
    original = tmp_path / "train.parquet"
    original.touch()
    writers: list[int] = []

    def batches(writer: int) -> Iterator[pyarrow.Array]:
        writers.append(writer)
        time.sleep(0.2)  # time for the others to come
        yield pyarrow.array([b"image"], pyarrow.binary())

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda writer: mapped_copy(original, 5, batches(writer)), range(4)))
    assert len(writers) == 1 and len(set(paths)) == 1
    assert list(MappedImages(paths[:1], str).read(np.array([0]))) == [b"image"]


def test_several_processes_share_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_classes(tmp_path / "data", per_class=25)
    monkeypatch.setattr("proxyless.data.part.memory_bytes", lambda: 60_000)  # a fifth of it for 40 images of 192 bytes
    assert isinstance(load_data(f"imagefolder:{tmp_path / 'data'}", 8).train, Split)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert isinstance(load_data(f"imagefolder:{tmp_path / 'data'}", 8).train, StreamedSplit)


def test_images_that_would_fill_a_gpu_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without values, which stands for one whose memory is small."""
    device = torch.device("meta")
    split = Split(torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 3))
    assert split.to(device).images.device == device
    monkeypatch.setattr("proxyless.data.base.free_bytes", lambda device: 3 * split.images.nbytes)
    kept = split.to(device)
    assert kept.images.device == _CPU and kept.labels.device == device
    (images,) = kept.take([0, 1, 2]).read([torch.tensor([0, 2])])
    assert images.device == device and images.shape == (2, 3, 8, 8)


def test_a_copy_that_does_not_fit_on_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_STREAM, 0.0)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5))
    for part in ("train", "test"):
        save_parquet(tmp_path / "data", [0, 1] * 5, part=part)
    with pytest.raises(InputError, match="set XDG_CACHE_HOME to a folder with more"):
        load_data(f"parquet:{tmp_path / 'data'}", 8)


def test_memory_is_that_of_the_machine_or_of_its_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory_bytes()
    (tmp_path / "unlimited").write_text("max\n")
    (tmp_path / "limited").write_text("123456\n")
    files = tuple(tmp_path / name for name in ("unlimited", "limited", "missing"))
    monkeypatch.setattr("proxyless.data.part._CGROUP_LIMITS", files)
    assert memory_bytes() == 123456 < whole


_MEASURE = """
import resource, sys, torch
import proxyless.data.part
from proxyless.data import Batches, load_data
proxyless.data.part.MEMORY_SHARE = 0.0
def peak_mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak_mb()
data = load_data(sys.argv[1], 512)
for _ in Batches(data, data.train, 2, torch.device("cpu")).ordered():
    pass
print(peak_mb() - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["imagefolder", "parquet"])
def test_memory_stays_bounded(tmp_path: Path, kind: str) -> None:
    """300 images of 512 x 512 take 225 MiB in memory, and a batch of 2 takes 6 MiB as floats."""
    image = save_image(tmp_path / "image.jpg", 90, (512, 512))
    if kind == "parquet":
        save_parquet(tmp_path / "data", [0, 1] * 150, [image.read_bytes()] * 300, part="train")
        save_parquet(tmp_path / "data", [0, 1], [image.read_bytes()] * 2, part="test")
    else:
        for label, count in (("train/a", 150), ("train/b", 150), ("test/a", 1)):
            (tmp_path / "data" / label).mkdir(parents=True)
            for index in range(count):
                (tmp_path / "data" / label / f"{index}.jpg").hardlink_to(image)
    command = [sys.executable, "-c", _MEASURE, f"{kind}:{tmp_path / 'data'}"]
    result = subprocess.run(command, capture_output=True, check=True)
    own_mb, worker_mb = (float(value) for value in result.stdout.split())
    assert own_mb < 110 and worker_mb < 100


_ENDLESS = """
import signal, sys, torch
import proxyless.data.part
from proxyless.data import Batches, load_data
proxyless.data.part.MEMORY_SHARE = 0.0
data = load_data(sys.argv[1], 256)
batches = Batches(data, data.train, 4, torch.device("cpu"))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process of a shell starts with it ignored
for epoch in range(10**6):
    torch.manual_seed(epoch)
    for step, (images, labels) in enumerate(batches.shuffled(0, "train", epoch)):
        print(epoch, step, float(images.double().sum()), labels.tolist(), flush=True)
"""


def _start(source: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _ENDLESS, source]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _group_is_gone(group: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        alive = subprocess.run(["pgrep", "-g", str(group), "-r", "R,S,D"], capture_output=True, check=False)
        if not alive.stdout.strip():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_is_left_and_a_new_start_sees_the_same_batches(tmp_path: Path, stop: signal.Signals) -> None:
    """Ctrl-C goes to all processes of the terminal; a kill only to the main one."""
    source = f"imagefolder:{save_classes(tmp_path, per_class=20)}"
    process = _start(source)
    assert process.stdout is not None and process.stderr is not None
    seen = [process.stdout.readline() for _ in range(12)]
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)
    else:
        process.kill()
    assert _group_is_gone(process.pid, 60)
    errors = process.stderr.read()
    assert process.wait() != 0
    if stop == signal.SIGINT:
        assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt"), errors
    process.communicate()
    again = _start(source)
    assert again.stdout is not None
    assert [again.stdout.readline() for _ in range(12)] == seen
    os.killpg(again.pid, signal.SIGKILL)
    again.communicate()
