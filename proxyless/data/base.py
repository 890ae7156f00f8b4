"""Labelled images and what a data set consists of."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from proxyless.data.augment import Augmentation
from proxyless.data.labels import renumbering
from proxyless.errors import InputError
from proxyless.host import to_host

_STATISTICS_IMAGES = 500
"""Channel statistics are taken over so many images: enough for two digits, small at any resolution."""

_DEVICE_SHARE = 0.3
"""Of a GPU's free memory that the images of one split may take: the network needs the rest."""
_CPU = torch.device("cpu")


class ImageSplit(ABC):
    """Labelled images of one resolution, wherever they are. labels: int64 (N,). streamed: other threads read them."""

    labels: Tensor
    streamed: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Side of the images in pixels."""

    @abstractmethod
    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Some of the images, in the order of the indices."""

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """The same images, to be read on the device."""

    @abstractmethod
    def read(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """For every part, int64 indices (n,) on the CPU, its images: uint8 (n, 3, H, W) on the device.

        Raises:
            InputError: a damaged image.
        """

    @abstractmethod
    def labelled(self, labels: Tensor) -> Self:
        """The same images with other labels, int64 (N,)."""


@dataclass(frozen=True)
class Split(ImageSplit):
    """Images in memory. images: uint8 (N, 3, H, W). labels: int64 (N,). device: where they are read."""

    images: Tensor
    labels: Tensor
    device: torch.device = _CPU

    @property
    def resolution(self) -> int:
        return int(self.images.shape[-1])

    def take(self, indices: Sequence[int] | np.ndarray) -> Self:
        chosen = torch.as_tensor(np.asarray(indices))
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def labelled(self, labels: Tensor) -> Self:
        return replace(self, labels=labels)

    def to(self, device: torch.device) -> Self:
        """Images that would fill the device's memory stay where they are, and go there batch by batch."""
        fits = self.images.nbytes <= _DEVICE_SHARE * free_bytes(device)
        images = self.images.to(device) if fits else self.images
        return replace(self, images=images, labels=self.labels.to(device), device=device)

    def read(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        for part in parts:
            images = self.images[part.to(self.images.device, non_blocking=True)]
            yield images.to(self.device, non_blocking=True)


def free_bytes(device: torch.device) -> float:
    """Free memory of a GPU; no limit elsewhere, where images are already."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else float("inf")


@dataclass(frozen=True)
class ImageData:
    """A data set at the resolution of the network.

    source: what the user asked for, enough to load it again.
    mean, std: per channel, of the training images in [0, 1].
    """

    source: str
    train: ImageSplit
    test: ImageSplit
    classes: tuple[str, ...]
    augmentation: Augmentation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def resolution(self) -> int:
        return self.train.resolution

    def divide_train(self, fraction: float, seed: int) -> tuple[ImageSplit, ImageSplit]:
        """Two disjoint parts of the training images, the second with `fraction` of them; stratified by class.

        Raises:
            InputError: a class has too few images to be in both.
        """
        first, second = stratified(to_host(self.train.labels).numpy(), fraction, seed, self.classes)
        return self.train.take(first), self.train.take(second)

    def numbered_as(self, classes: Sequence[str]) -> "ImageData":
        """The same images, with the numbers that these classes have: the outputs of a network that knows them.

        Raises:
            InputError: other classes than the data have.
        """
        numbers = renumbering(self.source, self.classes, classes, "the network")
        if numbers is None:
            return self
        of = torch.from_numpy(numbers)
        train, test = (split.labelled(of[split.labels]) for split in (self.train, self.test))
        return replace(self, train=train, test=test, classes=tuple(classes))


def make_data(
    source: str, train: ImageSplit, test: ImageSplit, classes: Sequence[str], augmentation: Augmentation
) -> ImageData:
    """Check the splits and measure the channel statistics on a stratified sample.

    Raises:
        InputError: fewer than two classes.
    """
    present = len(np.unique(to_host(train.labels).numpy()))
    if present < 2:
        raise InputError(f"{source} has training images of {present} class; a classifier needs at least 2")
    sample = torch.from_numpy(limited(to_host(train.labels).numpy(), _STATISTICS_IMAGES))
    mean, std = _channel_statistics(train.read(in_parts(sample, _STATISTICS_IMAGES // 50)))
    return ImageData(source, train, test, tuple(classes), augmentation, mean, std)


def in_parts(indices: Tensor, size: int) -> list[Tensor]:
    """The indices in parts of `size`; the last may be shorter."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _channel_statistics(batches: Iterator[Tensor]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Exact mean and deviation per channel, from how often each of the 256 values occurs."""
    counts = torch.zeros(3, 256, dtype=torch.float64)
    for batch in batches:
        counts += torch.stack([torch.bincount(batch[:, channel].flatten(), minlength=256) for channel in range(3)])
    share, values = counts / counts.sum(1, keepdim=True), torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]).square()).sum(1)
    return _triple(mean), _triple(variance.sqrt().clamp_min(1e-3))


def _triple(values: Tensor) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 6) for value in values)
    return red, green, blue


def stratified(
    labels: np.ndarray, part: float, seed: int, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of two disjoint parts; the second has `part` of the labels, a share or a whole number of them.

    classes: their names, for the message.

    Raises:
        InputError: a class has too few images to be in both.
    """
    numbers, counts = np.unique(labels, return_counts=True)
    single = numbers[counts == 1]
    if len(single):
        name = repr(classes[single[0]]) if classes else f"number {single[0]}"
        more = f", and {len(single) - 1} more classes too" if len(single) > 1 else ""
        raise InputError(
            f"the class {name} has one image, which cannot be in both of two parts{more}; give it more images, or "
            "remove it"
        )
    try:
        rng = np.random.RandomState(seed % 2**32)  # which takes no larger ones
        first, second = train_test_split(np.arange(len(labels)), test_size=part, random_state=rng, stratify=labels)
    except ValueError as error:
        raise InputError(
            f"{len(labels)} images cannot be divided so that a part of {part:g} and the rest both have every class "
            f"({error}); give more images per class"
        ) from None
    return np.sort(first), np.sort(second)


def limited(labels: np.ndarray, limit: int | None, seed: int = 0) -> np.ndarray:
    """Indices of at most `limit` images, as many of each class as its share allows; all of them when None.

    Every n-th of the images ordered by class, and at random within one (systematic sampling): unlike drawing a
    number per class, it works for any number of classes and images.
    """
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    return np.sort(by_class[np.arange(limit) * len(labels) // limit])
