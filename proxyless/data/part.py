"""From encoded images with labels to splits: in memory where they fit, streamed where not."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from proxyless.data.augment import Augmentation
from proxyless.data.base import ImageData, ImageSplit, Split, limited, make_data, stratified
from proxyless.data.decode import Encoded, decode_all
from proxyless.data.stream import StreamedSplit
from proxyless.errors import InputError
from proxyless.processes import local_world

MEMORY_SHARE = 0.2
"""The decoded images of one split may take this share of the machine's memory, in all processes together; larger splits
are streamed."""

_TEST_SHARE = 0.2
"""Share of the images that is kept for testing where there is no test split."""

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True)
class Part:
    """Some rows of encoded images, ascending, and the labels of these rows; both int64 (N,)."""

    encoded: Encoded
    rows: np.ndarray
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> "Part":
        return Part(self.encoded, self.rows[indices], self.labels[indices])

    def load(self, resolution: int) -> ImageSplit:
        """The images at a resolution in pixels, decoded now or as they are needed."""
        labels = torch.from_numpy(self.labels)
        if len(self.rows) * 3 * resolution**2 > MEMORY_SHARE * memory_bytes() / local_world():
            return StreamedSplit(self.encoded.indexed(), self.rows, labels, resolution)
        return Split(decode_all(self.encoded, self.rows, resolution), labels)


def load_parts(
    source: str, train: Part, test: Part | None, classes: Sequence[str], resolution: int, limit: int | None
) -> ImageData:
    """Data of the parts; without a test part, a fifth of each class is divided off.

    Raises:
        InputError: a class with one image cannot be divided, a damaged image, or fewer than two classes.
    """
    if len(np.unique(train.labels)) < 2:
        raise InputError(f"{source} has training images of one class; a classifier needs at least 2")
    if test is None:
        kept, divided_off = stratified(train.labels, _TEST_SHARE, seed=0)
        train, test = train.take(kept), train.take(divided_off)
    first, second = (part.take(limited(part.labels, limit)).load(resolution) for part in (train, test))
    return make_data(source, first, second, classes, default_augmentation(resolution))


def number_classes(
    source: str, values: Sequence[np.ndarray], names: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str]]:
    """Labels from 0, int64, for the values of the training and of other images; and the names of the classes.

    names: of the values 0, 1, ...; where there are none, each value among the training images is a class.

    Raises:
        InputError: a value without a class, or two classes of one name.
    """
    known = np.unique(values[0]) if names is None else np.arange(len(names))
    classes = [str(value) for value in known] if names is None else [str(name) for name in names]
    repeated = next((name for name in classes if classes.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{source} has two classes named {repeated!r}; rename one")
    for part in values:
        strange = np.setdiff1d(part, known)
        if len(strange):
            where = "class names" if names else "training labels"
            raise InputError(
                f"{source} has the label {strange.tolist()[0]!r}, which is not among its {len(classes)} {where}; "
                "correct or remove these rows"
            )
    return [np.searchsorted(known, part).astype(np.int64) for part in values], classes


def default_augmentation(resolution: int) -> Augmentation:
    """Small images are shifted and flipped, larger ones cropped at random sizes."""
    return "crop" if resolution <= 64 else "resized_crop"


def memory_bytes() -> int:
    """Memory of the machine, or of the container that this runs in."""
    limits = [path.read_text().strip() for path in _CGROUP_LIMITS if path.exists()]
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])
