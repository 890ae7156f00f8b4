from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from proxyless.data import Split, load_data, make_data
from proxyless.data.base import limited, stratified
from proxyless.errors import InputError
from tests.data.images import all_images, png, save_classes, save_image, save_parquet
from tests.helpers import SHARED


def test_digits_are_scikit_learns_and_split_by_class() -> None:
    data = load_data("digits", 32)
    assert (len(data.train), len(data.test), len(data.classes)) == (1347, 450, 10)
    assert all_images(data.train).shape == (1347, 3, 32, 32) and all_images(data.train).dtype == torch.uint8
    assert data.test.labels.bincount().min() >= 43
    keys = {bytes(image.numpy().tobytes()) for image in all_images(data.train)}
    assert not any(bytes(image.numpy().tobytes()) in keys for image in all_images(data.test))


def test_image_folder_is_divided_or_taken_as_it_is(tmp_path: Path) -> None:
    divided = load_data(f"imagefolder:{save_classes(tmp_path / 'flat')}", 8)
    assert (len(divided.train), len(divided.test), divided.classes) == (16, 4, ("cat", "dog"))
    for part, per_class in (("train", 3), ("val", 2)):
        save_classes(tmp_path / "split" / part, per_class)
    split = load_data(f"imagefolder:{tmp_path / 'split'}", 8)
    assert (len(split.train), len(split.test)) == (6, 4)
    assert set(all_images(split.train)[0].flatten().tolist()) == {40} and split.train.labels.tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: root.joinpath("nothing").mkdir(parents=True), "no images in"),
        (lambda root: save_image(root / "only" / "a.png", 1), "images of one class \\('only'\\)"),
        (
            lambda root: save_classes(root).joinpath("cat", "bad.jpg").write_bytes(b"\xff\xd8 not"),
            "bad.jpg is not a readable",
        ),
        (lambda root: save_classes(root, per_class=1), "the class 'cat' has one image"),
        (lambda root: save_classes(root, per_class=2), "cannot be divided"),
        (lambda root: save_classes(root).joinpath("fox").mkdir(), "class folder .*fox has no images"),
        (
            lambda root: [
                save_classes(root / "train"),
                save_classes(root / "test"),
                save_image(root / "test" / "fox" / "a.png", 1),
            ],
            "class 'fox' is in",
        ),
    ],
)
def test_unusable_folders_get_one_sentence(tmp_path: Path, prepare: Callable[[Path], object], message: str) -> None:
    prepare(tmp_path / "data")
    with pytest.raises(InputError, match=message):
        load_data(f"imagefolder:{tmp_path / 'data'}", 8)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnist", "unknown data 'mnist'; choose of digits, hf, imagefolder, parquet"),
        ("imagefolder:", "needs a path"),
        ("imagefolder:/does/not/exist", "image folder not found"),
        ("parquet:/does/not/exist", "no train\\*.parquet in"),
        ("synthetic:few", "needs a whole number"),
    ],
)
def test_unknown_sources_get_one_sentence(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data(source, 8)


def test_train_may_be_a_part_or_a_class(tmp_path: Path) -> None:
    save_classes(tmp_path / "part" / "train")
    assert len(load_data(f"imagefolder:{tmp_path / 'part'}", 8).test) == 4
    save_classes(tmp_path / "vehicles")
    (tmp_path / "vehicles" / "dog").rename(tmp_path / "vehicles" / "train")
    assert load_data(f"imagefolder:{tmp_path / 'vehicles'}", 8).classes == ("cat", "train")


def test_other_files_and_hidden_folders_are_no_images_and_equal_files_are_all_used(tmp_path: Path) -> None:
    save_classes(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    save_image(tmp_path / ".thumbnails" / "0.png", 1)
    (tmp_path / "cat" / "same.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    data = load_data(f"imagefolder:{tmp_path}", 8)
    assert data.classes == ("cat", "dog") and len(data.train) + len(data.test) == 21


def test_parquet_in_the_hugging_face_schema(tmp_path: Path) -> None:
    for part in ("train-0", "test-0"):
        save_parquet(tmp_path, [0, 1, 2] * 5, part=part)
    save_parquet(tmp_path, [2, 1], [png(100), png(101)], part="train-1")
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes == ("0", "1", "2") and data.train.labels.tolist() == [0, 1, 2] * 5 + [2, 1]
    assert all_images(data.train)[:, 2, 7, 7].tolist() == [*range(15), 100, 101]


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [([7, 30, 7, 9], ("7", "9", "30"), [0, 2, 0, 1]), (["pug", "cat", "pug", "cat"], ("cat", "pug"), [1, 0, 1, 0])],
)
def test_labels_without_class_names_are_classes_themselves(
    tmp_path: Path, labels: list[object], classes: tuple[str, ...], numbers: list[int]
) -> None:
    for part in ("train", "test"):
        save_parquet(tmp_path, labels, part=part)
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes == classes and data.train.labels.tolist() == numbers


_THREE = [png(1), png(2), png(3)]


@pytest.mark.parametrize(
    ("train", "test", "names", "message"),
    [
        (([0, 1], [b"damaged", png(1)]), ([0, 1], None), None, "image 0 of the train split is not a readable image"),
        (([0, 1, 0], [*_THREE[:2], None]), ([0, 1], None), None, "rows without image bytes; remove them"),
        (([0, None, 1], _THREE), ([0, 1], None), None, "rows without label; remove them"),
        (([], None), ([0, 1], None), None, "holds no images"),
        (([5, 5], None), ([5], None), None, "training images of one class"),
        (([0, 1], None), ([0, 2], None), None, "has the label 2, which is not among its 2 training labels"),
        ((["cat", "dog"], None), (["cat", "fox"], None), None, "the label 'fox', which is not among its 2 training"),
        (([0, 1, -1], _THREE), ([0], None), ["a", "b"], "has the label -1, which is not among its 2 class names"),
        (([0, 1], None), ([0], None), ["a", "a"], "has two classes named 'a'"),
        (([0.5, 1.5], None), ([0], None), None, "expected image \\(a struct with bytes\\) and label"),
    ],
)
def test_unusable_parquet_gets_one_sentence(
    tmp_path: Path, train: Any, test: Any, names: list[str] | None, message: str
) -> None:
    for part, (labels, contents) in (("train", train), ("test", test)):
        save_parquet(tmp_path, labels, contents, part, names)
    with pytest.raises(InputError, match=message) as error:
        load_data(f"parquet:{tmp_path}", 8)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_parquet_gets_one_sentence(tmp_path: Path) -> None:
    save_parquet(tmp_path, [0, 1], part="test")
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        load_data(f"parquet:{tmp_path}", 8)


def test_class_names_of_parquet_are_kept_though_not_all_are_present(tmp_path: Path) -> None:
    for part in ("train", "test"):
        save_parquet(tmp_path, [0, 2, 0, 2], part=part, names=["ant", "bee", "cow"])
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes == ("ant", "bee", "cow") and data.train.labels.tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize("limit", [1, 7, 20, 99])
def test_a_limit_takes_every_class_in_its_proportion(limit: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [50, 40, 10]))
    chosen = labels[limited(labels, limit)]
    assert len(chosen) == limit
    for label, share in ((0, 0.5), (1, 0.4), (2, 0.1)):
        assert abs((chosen == label).sum() - share * limit) <= 1


def test_a_seed_of_63_bits_divides_images() -> None:
    labels = np.arange(200) % 10
    first, second = stratified(labels, 0.3, 2**62)
    assert sorted([*first, *second]) == list(range(200)) and list(np.bincount(labels[second])) == [6] * 10


def test_statistics_do_not_depend_on_the_order_of_the_images() -> None:
    """Every tenth image is white: a sample of every n-th image would see only those, or none."""
    white = torch.arange(5000) % 10 == 0
    images = (255 * white).to(torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    split = Split(images, white.long())
    data = make_data("test", split, split, ["black", "white"], "none")
    np.testing.assert_allclose(data.mean, [0.1] * 3, atol=1e-6)
    np.testing.assert_allclose(data.std, [0.3] * 3, atol=1e-6)


@pytest.mark.skipif(not SHARED.exists(), reason="the CIFAR-10 copy is not on this machine")
def test_cifar10_has_its_published_statistics() -> None:
    data = load_data(f"parquet:{SHARED / 'cifar10'}", 32, limit=2000)
    assert data.classes[:2] == ("airplane", "automobile") and len(data.train) == 2000
    assert data.train.labels.bincount().tolist() == [200] * 10
    np.testing.assert_allclose(data.mean, (0.4913, 0.4821, 0.4465), atol=0.02)
    np.testing.assert_allclose(data.std, (0.2452, 0.2428, 0.2606), atol=0.02)
