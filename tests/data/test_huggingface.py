from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.data import load_data
from proxyless.errors import InputError
from tests.data.images import all_images, png, save_classes

datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")

_GREYS = [{"bytes": png(10 * index), "path": None} for index in range(20)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _features(**columns: Any) -> Any:
    return datasets.Features({"image": datasets.Image(), **columns})


def _save(folder: Path, features: Any, **splits: dict[str, Any]) -> Path:
    """A folder as on the Hub: a parquet file for each split, with the features in its metadata."""
    (folder / "data").mkdir(parents=True)
    for name, columns in splits.items():
        dataset = datasets.Dataset.from_dict(columns, features=features)
        dataset.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    return folder


def _columns(labels: list[Any], column: str = "label", image: str = "image") -> dict[str, Any]:
    return {image: _GREYS[: len(labels)], column: labels}


_NAMES = datasets.ClassLabel(names=["ant", "bee", "cow"])


def test_splits_and_class_names_are_those_of_the_data_set(tmp_path: Path) -> None:
    train, test = _columns([0, 2] * 5), _columns([1, 0, 2])
    _save(tmp_path / "pets", _features(label=_NAMES), train=train, test=test)
    data = load_data(f"hf:{tmp_path / 'pets'}", 8)
    assert data.source == f"hf:{tmp_path / 'pets'}" and data.classes == ("ant", "bee", "cow")
    assert data.train.labels.tolist() == [0, 2] * 5 and data.test.labels.tolist() == [1, 0, 2]
    assert all_images(data.train)[:, 1, 4, 4].tolist() == list(range(0, 100, 10))


def test_without_a_test_split_a_fifth_of_each_class_is_one(tmp_path: Path) -> None:
    _save(tmp_path / "pets", _features(label=_NAMES), train=_columns([0] * 10 + [1] * 10))
    first, again = (load_data(f"hf:{tmp_path / 'pets'}", 8) for _ in range(2))
    assert first.train.labels.bincount().tolist() == [8, 8] and first.test.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(all_images(first.test), all_images(again.test))


def test_a_test_split_without_labels_is_passed_over(tmp_path: Path) -> None:
    splits = {"train": _columns([0, 1] * 5), "test": _columns([-1] * 4), "validation": _columns([0, 1])}
    _save(tmp_path / "pets", _features(label=_NAMES), **splits)
    assert load_data(f"hf:{tmp_path / 'pets'}", 8).test.labels.tolist() == [0, 1]


def test_a_folder_of_images_with_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_classes(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    data = load_data("hf:./pets", 8)
    assert data.source == f"hf:{tmp_path / 'pets'}" and data.classes == ("cat", "dog") and len(data.train) == 16


@pytest.mark.parametrize("column", ["fine_label", "coarse_label"])
def test_one_of_several_labels_is_chosen_by_name(tmp_path: Path, column: str) -> None:
    features = _features(fine_label=_NAMES, coarse_label=datasets.ClassLabel(names=["insect", "mammal"]))
    columns = {"image": _GREYS[:20], "fine_label": [0, 1, 2, 2] * 5, "coarse_label": [0, 0, 1, 1] * 5}
    _save(tmp_path / "pets", features, train=columns)
    with pytest.raises(
        InputError, match="has fine_label, coarse_label; choose the labels, as in hf:NAME:CONFIG:COLUMN"
    ):
        load_data(f"hf:{tmp_path / 'pets'}", 8)
    data = load_data(f"hf:{tmp_path / 'pets'}::{column}", 8)
    assert data.classes == tuple(features[column].names) and data.source.endswith(f"::{column}")
    assert load_data(data.source, 8).classes == data.classes


@pytest.mark.parametrize(
    ("features", "columns", "message"),
    [
        ({"label": _NAMES}, _columns([0, 0]), "training images of one class"),
        ({"label": _NAMES}, _columns([0, 1, -1]), "rows without a class in 'label'"),
        ({"kind": datasets.Value("int64")}, _columns([0, 1], "kind"), "has no column of classes among image, kind"),
        ({"label": datasets.Value("float32")}, _columns([0, 1]), "labels of the type float32 in 'label'"),
        ({"label": datasets.List(datasets.Value("int64"))}, _columns([[0], [1]]), "labels of the type List in 'label'"),
        (
            {"label": _NAMES},
            {"image": [*_GREYS[:5], {"bytes": b"damaged", "path": None}], "label": [0, 1] * 3},
            "image 5 of the train split is not a readable image",
        ),
        (
            {"label": _NAMES},
            {"image": [*_GREYS[:5], None], "label": [0, 1] * 3},
            "image 5 of the train split is missing",
        ),
    ],
)
def test_unusable_data_sets_get_one_sentence(
    tmp_path: Path, features: dict[str, Any], columns: dict[str, Any], message: str
) -> None:
    tests = {name: values[:2] for name, values in columns.items()}
    _save(tmp_path / "pets", _features(**features), train=columns, test=tests)
    with pytest.raises(InputError, match=message):
        load_data(f"hf:{tmp_path / 'pets'}", 8)


def test_no_or_two_columns_of_images_get_one_sentence(tmp_path: Path) -> None:
    plain = datasets.Features({"text": datasets.Value("string"), "label": _NAMES})
    _save(tmp_path / "text", plain, train={"text": ["a", "b"], "label": [0, 1]})
    with pytest.raises(InputError, match=r"must have one column of images, .* it has none among text, label"):
        load_data(f"hf:{tmp_path / 'text'}", 8)
    two = datasets.Features({"left": datasets.Image(), "right": datasets.Image(), "label": _NAMES})
    _save(tmp_path / "two", two, train={"left": _GREYS[:2], "right": _GREYS[:2], "label": [0, 1]})
    with pytest.raises(InputError, match="it has left, right"):
        load_data(f"hf:{tmp_path / 'two'}", 8)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:", "needs the name of a data set"),
        ("hf:nobody/nothing", "'nobody/nothing' cannot be loaded .*; check its name and the network"),
        ("hf:{tmp}", "cannot be loaded"),
        ("hf:{tmp}/pets:none", "cannot be loaded \\(BuilderConfig 'none' not found"),
        ("hf:{tmp}/pets::none", "has no column 'none'; it has image, label"),
        ("hf:{tmp}/unnamed", "has the splits test, and none named train"),
    ],
)
def test_what_cannot_be_loaded_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    if "/" in source.replace("nobody/", ""):
        _save(tmp_path / "pets", _features(label=_NAMES), train=_columns([0, 1] * 5))
        _save(tmp_path / "unnamed", _features(label=_NAMES), test=_columns([0, 1] * 5))
    with pytest.raises(InputError, match=message) as error:
        load_data(source.format(tmp=tmp_path), 8)
    assert "\n" not in str(error.value)


def test_streamed_images_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path / "pets", _features(label=_NAMES), train=_columns([0] * 10 + [1] * 10))
    sources = [f"hf:{tmp_path / 'pets'}", f"hf:{save_classes(tmp_path / 'folder')}"]
    in_memory = [load_data(source, 8) for source in sources]
    monkeypatch.setattr("proxyless.data.part.MEMORY_SHARE", 0.0)
    for source, data in zip(sources, in_memory, strict=True):
        order = [torch.tensor([5, 0, 3]), torch.tensor([1, 5])]
        streamed = load_data(source, 8).train
        for images, same in zip(data.train.read(order), streamed.read(order), strict=True):
            assert torch.equal(images, same)


def test_a_data_set_that_brings_code_gets_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library raises since 4.0, word for word."""

    def refuse(*_: object) -> None:
        raise RuntimeError("Dataset scripts are no longer supported, but found cifar.py")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(
        InputError, match=r"\(Dataset scripts are no longer supported, but found cifar.py\); choose one of"
    ):
        load_data("hf:someone/cifar", 8)
