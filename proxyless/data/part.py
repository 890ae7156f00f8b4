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
from proxyless.data.labels import check_names
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
    check_names(source, classes)
    if len(np.unique(train.labels)) < 2:
        raise InputError(f"{source} has training images of one class; a classifier needs at least 2")
    if test is None:
        kept, divided_off = stratified(train.labels, _TEST_SHARE, seed=0, classes=classes)
        train, test = train.take(kept), train.take(divided_off)
    first, second = (part.take(limited(part.labels, limit)).load(resolution) for part in (train, test))
    return make_data(source, first, second, classes, default_augmentation(resolution))


def default_augmentation(resolution: int) -> Augmentation:
    """Small images are shifted and flipped, larger ones cropped at random sizes."""
    return "crop" if resolution <= 64 else "resized_crop"


def memory_bytes() -> int:
    """Memory of the machine, or of the container that this runs in."""
    limits = [path.read_text().strip() for path in _CGROUP_LIMITS if path.exists()]
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])
