"""Image data in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from proxyless.errors import InputError

Augmentation = Literal["shift", "crop", "resized_crop", "none"]

_STATISTICS_IMAGES = 500
"""Channel statistics are taken over so many images: enough for two digits, small at any resolution."""


@dataclass(frozen=True)
class Split:
    """images: uint8 (N, 3, H, W). labels: int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Split":
        chosen = torch.as_tensor(np.asarray(indices))
        return Split(self.images[chosen], self.labels[chosen])

    def divide(self, fraction: float, seed: int) -> tuple["Split", "Split"]:
        """Two disjoint parts, the second with `fraction` of the images; stratified by class.

        Raises:
            InputError: a class has too few images to be in both.
        """
        first, second = stratified(self.labels.numpy(), fraction, seed)
        return self.take(first), self.take(second)


@dataclass(frozen=True)
class ImageData:
    """A data set at the resolution of the network.

    source: what the user asked for, enough to load it again.
    mean, std: per channel, of the training images in [0, 1].
    """

    source: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    augmentation: Augmentation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def resolution(self) -> int:
        return int(self.train.images.shape[-1])


def make_data(source: str, train: Split, test: Split, classes: Sequence[str], augmentation: Augmentation) -> ImageData:
    """Check the splits and measure the channel statistics.

    Raises:
        InputError: fewer than two classes.
    """
    present = len(set(train.labels.tolist()))
    if present < 2:
        raise InputError(f"{source} has training images of {present} class; a classifier needs at least 2")
    sample = train.images[:: -(-len(train) // _STATISTICS_IMAGES)].float().div(255)
    mean, std = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp_min(1e-3)
    return ImageData(source, train, test, tuple(classes), augmentation, _triple(mean), _triple(std))


def _triple(values: Tensor) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 6) for value in values)
    return red, green, blue


def stratified(labels: np.ndarray, part: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of two disjoint parts; the second has `part` of the labels, a share or a whole number of them.

    Raises:
        InputError: a class has too few images to be in both.
    """
    try:
        first, second = train_test_split(np.arange(len(labels)), test_size=part, random_state=seed, stratify=labels)
    except ValueError as error:
        raise InputError(
            f"{len(labels)} images cannot be divided so that a part of {part:g} and the rest both have every class "
            f"({error}); give more images per class"
        ) from None
    return np.sort(first), np.sort(second)


def limited(labels: np.ndarray, limit: int | None, seed: int = 0) -> np.ndarray:
    """Indices of at most `limit` images, stratified by class; all of them when None."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    if len(labels) - limit < len(np.unique(labels)):  # too few are left out to leave out some of every class
        return np.sort(np.random.default_rng(seed).permutation(len(labels))[:limit])
    return stratified(labels, limit, seed)[1]
