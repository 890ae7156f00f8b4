"""The recipe that search and retraining share: optimiser groups, learning rate, a safe step."""

import math

import torch
from torch import Tensor, nn

from proxyless.errors import CheckError


def make_sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Nesterov SGD; no weight decay on normalisation and biases (one-dimensional parameters)."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)


def cosine_lr(lr: float, step: int, steps: int, warmup_steps: int = 0) -> float:
    """Learning rate of a step: linear warm-up, then a cosine from `lr` to zero at `steps`."""
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return 0.5 * lr * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def require_finite(value: Tensor, what: str) -> None:
    """Stop before a step that would destroy the weights.

    Raises:
        CheckError: the scalar is not finite.
    """
    if not bool(torch.isfinite(value)):
        raise CheckError(
            f"the {what} became {float(value.detach()):g}; the last checkpoint is kept: lower the learning rate "
            "or check the data, and start again"
        )
