"""What a network is worth on images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.data.batches import Batch


@dataclass(frozen=True)
class Worth:
    """Cross entropy and share of right answers on held-out images."""

    loss: float
    accuracy: float


@torch.no_grad()
def summed_worth(run: Callable[[Tensor], Tensor], batches: Iterable[Batch], device: torch.device) -> Tensor:
    """The sums of the cross entropy and of the right answers over all images, (2,) float64 on the device: whoever reads
    it waits for the device once, and no batch does.

    run: images to logits.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for images, labels in batches:
        outputs = run(images)
        right = (outputs.argmax(1) == labels).sum()
        sums += torch.stack([cross_entropy(outputs, labels, reduction="sum").double(), right.double()])
    return sums
