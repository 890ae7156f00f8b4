"""The recipe that search and retraining share: optimiser groups, learning rate, a safe step."""

import math

import torch
from torch import Tensor, nn

from proxyless.errors import CheckError
from proxyless.host import to_host

_CHECK_EVERY = 50


def make_sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Nesterov SGD, fused; no weight decay on normalisation and biases (one-dimensional parameters).

    The model is on its device already. Momentum starts at zero for every parameter, which changes no step:
    the fused step cannot tell those that a sampled path uses for the first time from the others.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=True)
    if momentum > 0:
        for parameter in parameters:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def cosine_lr(lr: float, step: int, steps: int, warmup_steps: int = 0) -> float:
    """Learning rate of a step: linear warm-up, then a cosine from `lr` to zero at `steps`."""
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return 0.5 * lr * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr


class SafeSteps:
    """Takes steps whose loss and gradients are finite, and no others, without waiting for the device.

    On a GPU a bad step is left out there, and noticed at the latest `_CHECK_EVERY` steps later.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self._bad: tuple[Tensor, str] | None = None
        self._count = 0

    def step(self, loss: Tensor, what: str, skip: Tensor | None = None) -> None:
        """One step of the optimiser; with `skip` true, a scalar on the device, none.

        Raises:
            CheckError: this loss or a gradient of it, or of one shortly before it, is not finite; the weights are as
                before it.
        """
        value = self._with_gradients(loss.detach())
        if skip is not None:
            value = torch.where(skip, loss.detach(), value)
        if self._bad is not None:
            value = torch.where(torch.isfinite(self._bad[0]), value, self._bad[0])  # the first bad one stays
        self._bad, self._count = (value, f"{what} or its gradient"), self._count + 1
        if value.device.type == "cpu" or self._count % _CHECK_EVERY == 0:
            self.check()
        bad = ~torch.isfinite(value)
        self.optimizer.found_inf = (bad if skip is None else bad | skip).float()  # type: ignore[attr-defined]
        self.optimizer.step()

    def _with_gradients(self, loss: Tensor) -> Tensor:
        """The loss where it and the norm of all gradients are finite, else what is not."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        return torch.where(torch.isfinite(loss) & ~torch.isfinite(norm), norm.to(loss), loss)

    def check(self) -> None:
        """Raise CheckError if a step had to be left out."""
        if self._bad is not None:
            require_finite(*self._bad)


def require_finite(value: Tensor, what: str) -> None:
    """Stop before a step that would destroy the weights.

    Raises:
        CheckError: the scalar is not finite.
    """
    found = float(to_host(value))
    if not math.isfinite(found):
        raise CheckError(
            f"the {what} became {found:g}; the last checkpoint is kept: lower the learning rate "
            "or check the data, and start again"
        )
