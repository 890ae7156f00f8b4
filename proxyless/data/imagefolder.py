"""A folder of images, one sub-folder per class."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from proxyless.data.base import ImageData, Split, limited, make_data, stratified
from proxyless.data.decode import decode_all, default_augmentation
from proxyless.errors import InputError

_TEST_NAMES = ("test", "val", "validation", "valid")


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`PATH/train/CLASS/*.jpg` with `PATH/test/CLASS/*.jpg` (or val), or `PATH/CLASS/*.jpg` divided 80 to 20.

    Raises:
        InputError: no such folder, no images, classes that differ between the parts, a damaged image.
    """
    if not argument:
        raise InputError("data 'imagefolder' needs a path, as in imagefolder:PATH")
    root = Path(argument).expanduser()
    if not root.is_dir():
        raise InputError(f"image folder not found: {root}; check the path")
    test_root = next((root / name for name in _TEST_NAMES if (root / name).is_dir()), None)
    if (root / "train").is_dir() and test_root:
        train_files, classes = _scan(root / "train")
        test_files, test_classes = _scan(test_root)
        if not set(test_classes) <= set(classes):
            extra = sorted(set(test_classes) - set(classes))[0]
            raise InputError(f"class {extra!r} is in {test_root} but not in {root / 'train'}; make the folders agree")
    else:
        train_files, test_files, classes = _divide(root)
    train, test = (_split(files, classes, resolution, limit) for files in (train_files, test_files))
    augmentation = default_augmentation(resolution)
    return make_data(f"imagefolder:{root.resolve()}", train, test, classes, augmentation)


def _divide(root: Path) -> tuple[list[Path], list[Path], list[str]]:
    files, classes = _scan(root)
    if len(classes) < 2:
        raise InputError(f"{root} has images of one class ({classes[0]!r}); a classifier needs at least 2 sub-folders")
    labels = np.array([classes.index(file.parent.name) for file in files])
    train, test = stratified(labels, 0.2, seed=0)
    return [files[i] for i in train], [files[i] for i in test], classes


def _scan(root: Path) -> tuple[list[Path], list[str]]:
    suffixes = Image.registered_extensions()
    files = sorted(file for file in root.glob("*/*") if file.suffix.lower() in suffixes and file.is_file())
    if not files:
        raise InputError(f"no images in {root}; expected one sub-folder per class with image files in it")
    return files, sorted({file.parent.name for file in files})


def _split(files: list[Path], classes: list[str], resolution: int, limit: int | None) -> Split:
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[file.parent.name] for file in files])
    chosen = [files[i] for i in limited(labels, limit)]
    images = decode_all(chosen, resolution, lambda index: str(chosen[index]))
    return Split(images, torch.tensor([number[file.parent.name] for file in chosen]))
