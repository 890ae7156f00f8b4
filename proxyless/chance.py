"""What guessing reaches: a network that is no better has learned nothing, whatever else is right about it."""

import math

import torch
from torch import Tensor

from proxyless.host import to_host

_DEVIATIONS = 2.0
"""Standard errors above the frequency of the most frequent class: guessing exceeds that once in 44 times."""
_LEARNED = 0.99
"""Share of the entropy of the classes below which a cross entropy shows that something was learned."""


SEARCHED_AT_CHANCE = (
    "the network comes from a search whose weights were no better than guessing, so that nothing speaks for it; search "
    "again with more --epochs and --warmup-epochs, more images, or another --lr"
)


def _shares(labels: Tensor) -> Tensor:
    return torch.bincount(to_host(labels)).double() / len(labels)


def guessing_accuracy(labels: Tensor) -> float:
    """What naming always the most frequent of the classes (images,) reaches, with luck; never all images."""
    share = float(_shares(labels).max())
    lucky = share + _DEVIATIONS * math.sqrt(share * (1 - share) / len(labels))
    return min(lucky, 1 - 0.5 / len(labels))


def guessing_loss(labels: Tensor) -> float:
    """The cross entropy, in nats, above which it tells nothing: about that of the classes' frequencies."""
    shares = _shares(labels)
    return _LEARNED * -float(torch.special.xlogy(shares, shares).sum())


def accuracy_at_chance(accuracy: float, guessing: float) -> str:
    """What to say of a network that is no better than guessing."""
    return (
        f"the network is no better than guessing: {accuracy:.2%} of the test images are right, and naming always the "
        f"most frequent class gives up to {guessing:.2%}; train longer, on more images or with another learning rate"
    )
