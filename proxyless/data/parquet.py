"""A folder of parquet files in the image schema of Hugging Face data sets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
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
    if not argument:
        raise InputError("data 'parquet' needs a path, as in parquet:PATH")
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
    found = (sorted(root.glob(f"{name}*.parquet")) for name in names)
    files = next((group for group in found if group), None)
    if files is None:
        raise InputError(f"no {names[0]}*.parquet in {root}; expected train*.parquet and test*.parquet")
    try:
        table = pyarrow.concat_tables([pyarrow.parquet.read_table(file) for file in files])
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{files[0].parent} cannot be read as parquet: {str(error).splitlines()[0]}") from None
    _check_schema(table, files[0])
    return table


def _check_schema(table: pyarrow.Table, file: Path) -> None:
    fields = {field.name: field.type for field in table.schema}
    image, label = fields.get("image"), fields.get("label")
    is_image = image is not None and pyarrow.types.is_struct(image) and image.get_field_index("bytes") >= 0
    if image is None or not is_image or label is None or not pyarrow.types.is_integer(label):
        raise InputError(f"{file} has the columns {fields}; expected image (a struct with bytes) and label (integer)")
    if table.num_rows == 0:
        raise InputError(f"{file} holds no images")
    contents = pyarrow.compute.struct_field(table["image"], "bytes")
    if table["label"].null_count or contents.null_count or not pyarrow.types.is_binary(image.field("bytes").type):
        raise InputError(f"{file} has rows without image bytes or label; remove them")


def _class_names(table: pyarrow.Table) -> list[str] | None:
    metadata = (table.schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return None
    try:
        names: Any = json.loads(metadata)["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names]


def _split(table: pyarrow.Table, name: str, resolution: int, limit: int | None) -> Split:
    labels = np.asarray(table["label"], np.int64)
    chosen = limited(labels, limit)
    rows = [row["bytes"] for row in table["image"].take(pyarrow.array(chosen)).to_pylist()]
    images = decode_all(rows, resolution, lambda index: f"image {chosen[index]} of the {name} split")
    return Split(images, torch.from_numpy(labels[chosen]))
