"""A folder of parquet files in the image schema of Hugging Face data sets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import torch

from proxyless.data.base import ImageData, Split, limited, make_data
from proxyless.data.decode import decode_all, default_augmentation
from proxyless.errors import InputError


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train*.parquet` and `PATH/test*.parquet` (or validation*), columns `image` and `label`.

    Raises:
        InputError: files or columns are missing, or an image is damaged.
    """
    root = Path(argument).expanduser()
    train_table = _read(root, ("train",))
    test_table = _read(root, ("test", "validation"))
    train, test = (
        _split(table, name, resolution, limit) for table, name in ((train_table, "train"), (test_table, "test"))
    )
    classes = _class_names(train_table) or [str(i) for i in range(int(train.labels.max()) + 1)]
    highest = int(max(train.labels.max(), test.labels.max()))
    if highest >= len(classes) or int(min(train.labels.min(), test.labels.min())) < 0:
        raise InputError(
            f"{root} has labels that are not among its {len(classes)} class names; the highest is {highest}"
        )
    return make_data(f"parquet:{root.resolve()}", train, test, classes, default_augmentation(resolution))


def _read(root: Path, names: tuple[str, ...]) -> pyarrow.Table:
    files = sorted(file for name in names for file in root.glob(f"{name}*.parquet"))
    if not files:
        raise InputError(f"no {names[0]}*.parquet in {root}; expected train*.parquet and test*.parquet")
    try:
        table = pyarrow.concat_tables([pyarrow.parquet.read_table(file) for file in files])
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{files[0].parent} cannot be read as parquet: {str(error).splitlines()[0]}") from None
    if not {"image", "label"} <= set(table.column_names):
        raise InputError(f"{files[0]} has the columns {table.column_names}; expected 'image' and 'label'")
    if table.num_rows == 0:
        raise InputError(f"{files[0]} holds no images")
    return table


def _class_names(table: pyarrow.Table) -> list[str] | None:
    metadata = (table.schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    label: dict[str, Any] = json.loads(metadata).get("info", {}).get("features", {}).get("label", {})
    names = label.get("names")
    return [str(name) for name in names] if names else None


def _split(table: pyarrow.Table, name: str, resolution: int, limit: int | None) -> Split:
    labels = np.asarray(table["label"], np.int64)
    chosen = limited(labels, limit)
    rows = [row["bytes"] for row in table["image"].take(pyarrow.array(chosen)).to_pylist()]
    images = decode_all(rows, resolution, lambda index: f"image {chosen[index]} of the {name} split")
    return Split(images, torch.from_numpy(labels[chosen]))
