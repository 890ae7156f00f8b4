"""Batches of a split: shuffled and augmented for training, in order for evaluation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from proxyless.data.augment import make_augmentation, normalise
from proxyless.data.base import ImageData, Split
from proxyless.errors import InputError
from proxyless.seeds import stream_generator

Batch = tuple[Tensor, Tensor]
"""Normalised float images (N, 3, H, W), channels last in memory, and labels (N,)."""


class Batches:
    """Batches of one split on one device.

    data: gives normalisation and augmentation.
    batch_size: images per batch. When shuffled, every batch is full and the remainder of an epoch waits
        for a later one.
    """

    def __init__(
        self,
        data: ImageData,
        split: Split,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.images, self.labels = split.images.to(device), split.labels.to(device)
        self.batch_size, self.device = batch_size, device
        self.mean, self.std = (torch.tensor(values, device=device) for values in (data.mean, data.std))
        self.augment = make_augmentation(data.augmentation, data.resolution)

    @property
    def steps(self) -> int:
        """Full batches in one epoch."""
        return len(self.labels) // self.batch_size

    def require_full_batch(self, part: str) -> None:
        """Raise InputError when an epoch would have no batch; `part` says which images these are."""
        if len(self.labels) < self.batch_size:
            raise InputError(
                f"a batch of {self.batch_size} images is larger than the {len(self.labels)} {part} images; "
                "use a smaller batch size or more data"
            )

    def shuffled(self, seed: int, stream: str, epoch: int) -> Iterator[Batch]:
        """One epoch in random order, augmented; augmentation draws from torch's global generator."""
        generator = stream_generator(seed, stream, epoch)
        order = torch.randperm(len(self.labels), generator=generator).to(self.device)
        for start in range(0, self.steps * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            yield self._prepare(self.augment(self.images[chosen].float().div(255))), self.labels[chosen]

    def ordered(self) -> Iterator[Batch]:
        """Every image once, in order, as it is."""
        for start in range(0, len(self.labels), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self._prepare(self.images[part].float().div(255)), self.labels[part]

    def _prepare(self, images: Tensor) -> Tensor:
        return normalise(images, self.mean, self.std).contiguous(memory_format=torch.channels_last)
