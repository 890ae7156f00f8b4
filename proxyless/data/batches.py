"""Batches of a split: shuffled and augmented for training, in order for evaluation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from proxyless.data.augment import Augmenter, normalise
from proxyless.data.base import ImageData, ImageSplit, in_parts
from proxyless.errors import InputError
from proxyless.seeds import stream_generator

Batch = tuple[Tensor, Tensor]
"""Normalised float images (N, 3, H, W), channels last in memory, and labels (N,)."""


_PIXELS, _MOST_IMAGES = 2**24, 4096
"""In a batch that a GPU evaluates: enough to keep it busy, with activations of less than 4 GB in `mobile`."""


def evaluation_batch(device: torch.device, resolution: int, on_cpu: int) -> int:
    """Images per batch where nothing is trained: many on a GPU. What is computed of an image does not depend on it."""
    return on_cpu if device.type == "cpu" else max(1, min(_MOST_IMAGES, _PIXELS // resolution**2))


class Batches:
    """Batches of one split on one device.

    data: gives normalisation and augmentation.
    batch_size: images per batch, of all processes together. When shuffled, every batch is full and the
        remainder of an epoch waits for a later one.
    augmented: whether shuffled images are; those that compare networks are better as they are.
    rank, world: this process and how many there are. Each gets its slice of every shuffled batch; with the same
        seeds, the slices together are the batch that a single process would get.

    Raises:
        InputError: a batch cannot be shared equally.
    """

    def __init__(
        self,
        data: ImageData,
        split: ImageSplit,
        batch_size: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        *,
        augmented: bool = True,
    ) -> None:
        if batch_size % world:
            raise InputError(
                f"a batch of {batch_size} images cannot be shared equally by {world} processes; "
                f"use a batch size that is a multiple of {world}"
            )
        self.split = split.to(device)
        self.labels = self.split.labels
        self.batch_size, self.device = batch_size, device
        self.share = slice(rank * (batch_size // world), (rank + 1) * (batch_size // world))
        self.mean, self.std = (torch.tensor(values, device=device) for values in (data.mean, data.std))
        self.augmenter = Augmenter(data.augmentation if augmented else "none", data.resolution)

    @property
    def steps(self) -> int:
        """Full batches in one epoch."""
        return len(self.labels) // self.batch_size

    def require_full_batch(self, part: str) -> None:
        """Raise InputError when an epoch would have no batch; `part` says which images these are."""
        if len(self.labels) < self.batch_size:
            raise InputError(
                f"a batch of {self.batch_size} images is larger than the {len(self.labels)} {part} images; "
                "use a smaller --batch-size or more data"
            )

    def shuffled(self, seed: int, stream: str, epoch: int) -> Iterator[Batch]:
        """One epoch in random order; augmentation draws from torch's global generator."""
        order = torch.randperm(len(self.labels), generator=stream_generator(seed, stream, epoch))
        full = order[: self.steps * self.batch_size]
        parts = [batch[self.share] for batch in in_parts(full, self.batch_size)]
        for images, labels in self._read(parts):
            maps = self.augmenter.draw(self.batch_size)[self.share]
            yield self._normalised(self.augmenter.apply(images, maps)), labels

    def ordered(self) -> Iterator[Batch]:
        """Every image once, in order, as it is; in every process."""
        for images, labels in self._read(in_parts(torch.arange(len(self.labels)), self.batch_size)):
            yield self._normalised(images), labels

    def _read(self, parts: list[Tensor]) -> Iterator[Batch]:
        for part, images in zip(parts, self.split.read(parts), strict=True):
            yield images.float().div(255), self.labels[part.to(self.device, non_blocking=True)]

    def _normalised(self, images: Tensor) -> Tensor:
        return normalise(images, self.mean, self.std).contiguous(memory_format=torch.channels_last)
