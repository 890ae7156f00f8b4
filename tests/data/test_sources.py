from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from proxyless.data import Batches, load_data
from proxyless.errors import InputError
from tests.helpers import SHARED, toy_data


def _image(path: Path, value: int, size: tuple[int, int] = (20, 12), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(path)
    return path


def _folder(root: Path, per_class: int = 10) -> Path:
    for label, value in (("cat", 40), ("dog", 200)):
        for index in range(per_class):
            _image(root / label / f"{index}.png", value)
    return root


def test_digits_are_scikit_learns_and_split_by_class() -> None:
    data = load_data("digits", 32)
    assert (len(data.train), len(data.test), len(data.classes)) == (1347, 450, 10)
    assert data.train.images.shape == (1347, 3, 32, 32) and data.train.images.dtype == torch.uint8
    assert data.test.labels.bincount().min() >= 43
    keys = {bytes(image.numpy().tobytes()) for image in data.train.images}
    assert not any(bytes(image.numpy().tobytes()) in keys for image in data.test.images)


def test_image_folder_is_divided_or_taken_as_it_is(tmp_path: Path) -> None:
    divided = load_data(f"imagefolder:{_folder(tmp_path / 'flat')}", 8)
    assert (len(divided.train), len(divided.test), divided.classes) == (16, 4, ("cat", "dog"))
    for part, per_class in (("train", 3), ("val", 2)):
        _folder(tmp_path / "split" / part, per_class)
    split = load_data(f"imagefolder:{tmp_path / 'split'}", 8)
    assert (len(split.train), len(split.test)) == (6, 4)
    assert set(split.train.images[0].flatten().tolist()) == {40} and split.train.labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_any_image_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    root = _folder(tmp_path)
    Image.new("RGB", (9, 30), (100, 100, 100)).convert(mode).save(root / "cat" / "odd.tiff")
    assert load_data(f"imagefolder:{root}", 8).train.images.shape[1:] == (3, 8, 8)


def test_rotated_photos_are_turned_upright(tmp_path: Path) -> None:
    from proxyless.data.decode import decode

    image = Image.fromarray(np.tile(np.array([[0], [255]], np.uint8).repeat(8, 0), (1, 16)))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image.save(tmp_path / "turned.png", exif=exif)
    turned = decode(tmp_path / "turned.png", 16, "turned.png")
    assert turned[0, 0, 0] == 255 and turned[0, -1, 0] == 0


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: root.joinpath("nothing").mkdir(parents=True), "no images in"),
        (lambda root: _image(root / "only" / "a.png", 1), "images of one class \\('only'\\)"),
        (
            lambda root: _folder(root).joinpath("cat", "bad.jpg").write_bytes(b"\xff\xd8 not"),
            "bad.jpg is not a readable",
        ),
        (lambda root: _folder(root, per_class=1), "cannot be divided"),
        (lambda root: [_folder(root / "train"), _image(root / "test" / "fox" / "a.png", 1)], "class 'fox' is in"),
    ],
)
def test_unusable_folders_get_one_sentence(tmp_path: Path, prepare: Callable[[Path], object], message: str) -> None:
    prepare(tmp_path / "data")
    with pytest.raises(InputError, match=message):
        load_data(f"imagefolder:{tmp_path / 'data'}", 8)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnist", "unknown data 'mnist'; choose of digits, imagefolder, parquet"),
        ("imagefolder:", "needs a path"),
        ("imagefolder:/does/not/exist", "image folder not found"),
        ("parquet:/does/not/exist", "no train\\*.parquet in"),
        ("synthetic:few", "needs a whole number"),
    ],
)
def test_unknown_sources_get_one_sentence(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data(source, 8)


def _parquet(folder: Path, labels: list[int], damaged: bool = False) -> None:
    for part in ("train", "test"):
        path = _image(folder / "image.png", 90)
        content = b"damaged" if damaged else path.read_bytes()
        rows = [{"bytes": content, "path": "a.png"} for _ in labels]
        pyarrow.parquet.write_table(pyarrow.table({"image": rows, "label": labels}), folder / f"{part}-0.parquet")


def test_parquet_in_the_hugging_face_schema(tmp_path: Path) -> None:
    _parquet(tmp_path, [0, 1, 2, 0, 1, 2])
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes == ("0", "1", "2") and set(data.train.images[0].flatten().tolist()) == {90}
    _parquet(tmp_path, [0, 1], damaged=True)
    with pytest.raises(InputError, match="image 0 of the train split is not a readable image"):
        load_data(f"parquet:{tmp_path}", 8)
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        load_data(f"parquet:{tmp_path}", 8)


@pytest.mark.skipif(not SHARED.exists(), reason="the CIFAR-10 copy is not on this machine")
def test_cifar10_has_its_published_statistics() -> None:
    data = load_data(f"parquet:{SHARED / 'cifar10'}", 32, limit=2000)
    assert data.classes[:2] == ("airplane", "automobile") and len(data.train) == 2000
    assert data.train.labels.bincount().tolist() == [200] * 10
    np.testing.assert_allclose(data.mean, (0.4913, 0.4821, 0.4465), atol=0.02)
    np.testing.assert_allclose(data.std, (0.2452, 0.2428, 0.2606), atol=0.02)


def test_batches_repeat_with_the_same_seed_and_normalise() -> None:
    data = load_data("digits", 16)
    batches = Batches(replace(data, augmentation="none"), data.train, 64, torch.device("cpu"))
    first, again, other = (list(batches.shuffled(0, "a", epoch)) for epoch in (0, 0, 1))
    assert len(first) == 1347 // 64
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert not torch.equal(first[0][1], other[0][1])
    pixels = torch.cat([images for images, _ in batches.ordered()])
    assert abs(float(pixels.mean())) < 0.01 and abs(float(pixels.std()) - 1) < 0.01
    assert len(pixels) == 1347


@pytest.mark.parametrize("augmentation", ["shift", "crop", "resized_crop"])
def test_augmentation_changes_images_and_keeps_shape(augmentation: str) -> None:
    data = toy_data()
    changed = replace(data, augmentation=augmentation)  # type: ignore[arg-type]
    batches = Batches(changed, data.train, 16, torch.device("cpu"))
    torch.manual_seed(0)
    images, labels = next(batches.shuffled(0, "a", 0))
    assert images.shape == (16, 3, 16, 16) and labels.shape == (16,)
    plain = Batches(data, data.train, 16, torch.device("cpu"))
    assert not torch.allclose(images, next(plain.shuffled(0, "a", 0))[0])


def test_too_few_images_for_a_batch() -> None:
    data = toy_data(count=10)
    with pytest.raises(InputError, match="a batch of 64 images is larger than the 10 training images"):
        Batches(data, data.train, 64, torch.device("cpu")).require_full_batch("training")
