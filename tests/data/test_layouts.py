"""Folders, columns and splits as people have them: the right ones are taken, and what is not taken is said."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from proxyless.data import load_data
from proxyless.data.folders import scan
from proxyless.errors import InputError
from proxyless.workflow.predict import find_images
from tests.data.images import all_images, png, save_classes, save_image, save_parquet


@pytest.fixture(autouse=True)
def _notices(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="proxyless.data")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "Test"),
        ("Training", "Testing"),
        ("TRAIN", "Validation"),
        ("train", "dev"),
        ("training_set", "test_set"),
    ],
)
def test_splits_are_known_by_any_of_their_names(
    train: str, test: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_classes(tmp_path / train, 3)
    save_classes(tmp_path / test, 2)
    data = load_data(f"imagefolder:{tmp_path}", 8)
    assert (len(data.train), len(data.test)) == (6, 4)
    assert f"test images are those of {test!r}" in caplog.text


def test_the_first_split_with_labels_is_the_test_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As competitions have them: `test` holds images alone, or one folder that is no class of the training images."""
    for name, hidden in (("flat", "0.png"), ("unknown", "unknown/0.png"), ("empty", "unknown/")):
        root = tmp_path / name
        save_classes(root / "train", 3)
        save_classes(root / "val", 2)
        save_classes(root / "dev", 1)
        if hidden.endswith(".png"):
            save_image(root / "test" / hidden, 1)
        else:
            (root / "test" / hidden).mkdir(parents=True)
        caplog.clear()
        assert len(load_data(f"imagefolder:{root}", 8).test) == 4
        assert "test images are those of 'val' ('test' without labels, 'dev' not used)" in caplog.text


def test_a_test_split_of_other_spellings_is_refused(tmp_path: Path) -> None:
    save_classes(tmp_path / "train")
    for name in ("Cat", "Dog"):
        save_image(tmp_path / "test" / name / "0.png", 1)
    with pytest.raises(InputError, match=r"class 'Cat' is in .*test but not in .*train; make the folders agree"):
        load_data(f"imagefolder:{tmp_path}", 8)


def test_a_folder_of_splits_is_not_taken_for_classes(tmp_path: Path) -> None:
    save_classes(tmp_path / "test")
    with pytest.raises(InputError, match="has a folder 'test' with classes, and none named 'train'"):
        load_data(f"imagefolder:{tmp_path}", 8)


def test_images_are_found_at_any_depth_and_through_links_and_alike_for_predict(tmp_path: Path) -> None:
    save_classes(tmp_path / "data", 5)
    save_image(tmp_path / "data" / "cat" / "more" / "still more" / "deep.png", 77)
    save_image(tmp_path / "elsewhere" / "linked.png", 78)
    (tmp_path / "data" / "dog" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "dog" / "loop").symlink_to(tmp_path / "data" / "dog")
    data = load_data(f"imagefolder:{tmp_path / 'data'}", 8)
    values = {int(image[0, 4, 4]) for split in (data.train, data.test) for image in all_images(split)}
    assert len(data.train) + len(data.test) == 12 and {77, 78} <= values
    assert len(find_images([tmp_path / "data"])) == 12


def test_what_is_not_taken_is_counted_by_suffix_and_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_classes(tmp_path)
    for number in range(12):
        (tmp_path / "cat" / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "dog" / "licence.pdf").write_bytes(b"%PDF-1.4\n")
    (tmp_path / "dog" / "no_suffix").write_bytes(png(1))
    os.mkfifo(tmp_path / "dog" / "pipe.jpg")
    save_image(tmp_path / "loose.png", 1)
    for junk in (".DS_Store", "cat/._0.png"):
        (tmp_path / junk).write_bytes(b"\0" * 100)
    save_image(tmp_path / "__MACOSX" / "cat" / "0.png", 1)
    data = load_data(f"imagefolder:{tmp_path}", 8)
    assert data.classes == ("cat", "dog") and len(data.train) + len(data.test) == 20
    said = next(record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert "left out 16 files" in said and "12 .HEIC in cat" in said and "1 .pdf in dog" in said
    assert "1 file without a suffix in dog" in said and "1 .jpg that is no file in dog" in said
    assert f"1 .png in {tmp_path.name}" in said
    assert len(scan(tmp_path).images) == 21


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((os.fsdecode(b"caf\xe9"), "dog"), "which is not UTF-8; rename it"),
        (("new\nline", "new line"), "which are one label; rename one"),
        (("two\u2028lines", "two\nlines"), "which are one label; rename one"),
        ((" ", "dog"), "which says nothing; name it"),
    ],
)
def test_class_names_that_cannot_be_written_down_are_refused(
    names: Sequence[str], message: str, tmp_path: Path
) -> None:
    for name in names:
        for number in range(5):
            save_image(tmp_path / name / f"{number}.png", number)
    with pytest.raises(InputError, match=message) as error:
        load_data(f"imagefolder:{tmp_path}", 8)
    assert "\n" not in str(error.value)


_TEXT = ["dog", "cat"] * 6
_COLUMNS: dict[str, Any] = {
    "string": pyarrow.array(_TEXT),
    "large_string": pyarrow.array(_TEXT, pyarrow.large_string()),
    "string_view": pyarrow.array(_TEXT, pyarrow.string_view()),
    "category": pyarrow.array(_TEXT).dictionary_encode(),
    "large category": pyarrow.array(_TEXT, pyarrow.large_string()).dictionary_encode(),
    "bool": pyarrow.array([True, False] * 6),
    "uint8": pyarrow.array([1, 0] * 6, pyarrow.uint8()),
    "category of numbers": pyarrow.array([7, 3] * 6).dictionary_encode(),
}


def _write(file: Path, labels: Any, names: Sequence[str] | None = None) -> None:
    """Image i is grey of value i."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    images = pyarrow.array([{"bytes": png(index), "path": None} for index in range(len(labels))], kind)
    table = pyarrow.table({"image": images, "label": labels})
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, file)


@pytest.mark.parametrize("kind", _COLUMNS)
def test_labels_of_every_type_that_can_be_a_class(kind: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / f"{split}.parquet", _COLUMNS[kind])
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes in {("cat", "dog"), ("False", "True"), ("0", "1"), ("3", "7")}
    assert data.train.labels.tolist() == data.test.labels.tolist() == [1, 0] * 6


@pytest.mark.parametrize(
    "labels",
    [pyarrow.array([0.5, 1.0] * 4), pyarrow.array([[1], [2]] * 4), pyarrow.array([b"a", b"b"] * 4)],
    ids=["floats", "lists", "bytes"],
)
def test_labels_of_other_types_are_refused_in_the_words_of_arrow(labels: Any, tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", labels)
    with pytest.raises(InputError, match=f"label \\({str(labels.type)[:4]}.*; expected image .* and label"):
        load_data(f"parquet:{tmp_path}", 8)


@pytest.mark.parametrize("second", ["train-1", "test"])
def test_files_are_held_against_the_first(second: str, tmp_path: Path) -> None:
    _write(tmp_path / "train-0.parquet", pyarrow.array([0, 1] * 5))
    _write(tmp_path / f"{second}.parquet", pyarrow.array(["0", "1"] * 5))
    with pytest.raises(
        InputError, match=rf"{second}\.parquet has labels of text \(string\), and .*train-0\.parquet of"
    ):
        load_data(f"parquet:{tmp_path}", 8)


def test_class_names_in_another_order_are_mapped_and_others_refused(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", pyarrow.array([0, 1] * 5), ["cat", "dog"])
    _write(tmp_path / "test.parquet", pyarrow.array([0, 0, 1]), ["dog", "cat"])
    data = load_data(f"parquet:{tmp_path}", 8)
    assert data.classes == ("cat", "dog") and data.test.labels.tolist() == [1, 1, 0]
    _write(tmp_path / "test.parquet", pyarrow.array([0, 0, 1]), ["dog", "fox"])
    with pytest.raises(InputError, match=r"test\.parquet has the class 'fox', and .*train\.parquet has not"):
        load_data(f"parquet:{tmp_path}", 8)


@pytest.mark.parametrize(
    "hidden", [pyarrow.array([-1] * 4), pyarrow.array([None] * 4, pyarrow.int64()), pyarrow.nulls(4)]
)
def test_the_first_parquet_split_with_labels_is_the_test_split(
    hidden: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = pyarrow.types.is_string(hidden.type)
    names = pyarrow.array(["0", "1"] * 5) if text else pyarrow.array([0, 1] * 5)
    _write(tmp_path / "train-00000-of-00001.parquet", names)
    _write(tmp_path / "test.parquet", hidden)
    assert len(load_data(f"parquet:{tmp_path}", 8).test) == 2
    assert "a fifth of each class of the training images ('test' without labels)" in caplog.text
    _write(tmp_path / "valid.parquet", names.take(pyarrow.array([0, 1, 1])))
    assert load_data(f"parquet:{tmp_path}", 8).test.labels.tolist() == [0, 1, 1]
    assert "those of 'valid' ('test' without labels)" in caplog.text


def test_parquet_folders_named_as_splits_and_a_single_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split, count in (("train", 5), ("validation", 2)):
        _write(tmp_path / "data" / split / "0000.parquet", pyarrow.array([0, 1] * count))
    _write(tmp_path / "data" / "extra.parquet", pyarrow.array([0, 1]))
    data = load_data(f"parquet:{tmp_path}", 8)
    assert (len(data.train), len(data.test)) == (10, 4) and "1 .parquet in data" in caplog.text
    one = load_data(f"parquet:{tmp_path / 'data' / 'train' / '0000.parquet'}", 8)
    assert (len(one.train), len(one.test)) == (8, 2)


@pytest.mark.parametrize("name", ["trainA", "trainval", "TRAIN-1", "training_2"])
def test_training_files_are_known_by_the_first_word_of_their_names(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path / f"{name}.parquet", pyarrow.array([0, 1] * 5))
    assert len(load_data(f"parquet:{tmp_path}", 8).train) == 8
    _write(tmp_path / "train.parquet", pyarrow.array([0, 1] * 6))
    taken = load_data(f"parquet:{tmp_path}", 8)
    assert len(taken.train) + len(taken.test) == 22 or "1 .parquet in" in caplog.text
    (tmp_path / "train.parquet").rename(tmp_path / "other.parquet")
    (tmp_path / f"{name}.parquet").unlink()
    with pytest.raises(InputError, match=r"no train\*\.parquet in .*; it has other\.parquet; expected"):
        load_data(f"parquet:{tmp_path}", 8)


def test_data_given_again_get_the_numbers_that_a_network_knows(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save_parquet(tmp_path, [0, 1, 2] * 4, part=split, names=["ant", "bee", "cow"])
    again = load_data(f"parquet:{tmp_path}", 8, classes=["cow", "ant", "bee"])
    assert again.classes == ("cow", "ant", "bee") and again.train.labels.tolist() == [1, 2, 0] * 4
    assert torch.equal(all_images(again.train), all_images(load_data(f"parquet:{tmp_path}", 8).train))
    for others, message in (
        (["ant", "bee", "dog"], "has the class 'cow', and the network has not"),
        (["ant", "bee", "cow", "dog"], "lacks the class 'dog', and the network has it"),
    ):
        with pytest.raises(InputError, match=message):
            load_data(f"parquet:{tmp_path}", 8, classes=others)


def test_a_class_of_one_image_is_named(tmp_path: Path) -> None:
    save_classes(tmp_path)
    save_image(tmp_path / "rare" / "0.png", 3)
    with pytest.raises(InputError, match="the class 'rare' has one image, which cannot be in both of two parts"):
        load_data(f"imagefolder:{tmp_path}", 8)


def test_equal_text_of_any_length_is_one_class() -> None:
    from proxyless.data.labels import number_classes

    long = "x" * 5000
    values = np.array([long, "a", long], dtype=object)
    (numbers,), classes = number_classes("data", [values], None)
    assert numbers.tolist() == [1, 0, 1] and classes == ["a", long]
