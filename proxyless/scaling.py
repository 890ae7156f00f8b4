"""Loss scaling: gradients in float16 that would vanish are computed larger, and divided again where they leave.

Micikevicius et al., "Mixed precision training", ICLR 2018. The scale lives on the device, and nothing waits for it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from proxyless.host import to_host
from proxyless.nn import Choice, Mixture

_FIRST, _HIGHEST, _LOWEST = 2.0**13, 2.0**16, 1.0
_GROW_AFTER = 500
"""Steps without an overflow after which the scale doubles; an overflow halves it."""


class LossScale:
    """Enlarges gradients behind the network's outputs, and makes those of weights and gates small again.

    enabled: without it everything passes as it is.
    """

    def __init__(self, enabled: bool, device: torch.device) -> None:
        self.enabled = enabled
        self.scale = torch.tensor(_FIRST, device=device)
        self.good = torch.zeros((), device=device)

    def outputs(self, logits: Tensor) -> Tensor:
        """The same values; the gradient of what is computed from them is enlarged."""
        return _scaled(logits, self.scale) if self.enabled else logits

    def choices(self, choices: Sequence[Choice | Mixture]) -> Sequence[Choice | Mixture]:
        """The same choices; the gradients of their probabilities and weights are as without a scale."""
        if not self.enabled:
            return choices
        inverse = 1 / self.scale
        return [
            Mixture(_scaled(choice.weights, inverse))
            if isinstance(choice, Mixture)
            else choice._replace(probs=None if choice.probs is None else _scaled(choice.probs, inverse))
            for choice in choices
        ]

    @torch.no_grad()
    def reduce(self, parameters: Iterable[Tensor]) -> Tensor | None:
        """Make the gradients as they are without a scale, and adapt the scale.

        Returns whether the step must be left out because a gradient overflowed, a tensor on the device; None where
        there is no scale. At the lowest scale nothing has overflowed: what is not finite there is wrong.
        """
        if not self.enabled:
            return None
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        finite = torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all()
        torch._foreach_mul_(gradients, 1 / self.scale)
        overflow = ~finite & (self.scale > _LOWEST)
        grows = finite & (self.good + 1 >= _GROW_AFTER)
        factor = torch.where(overflow, 0.5, torch.where(grows, 2.0, 1.0))
        self.good = torch.where(overflow | grows, 0.0, self.good + 1)
        self.scale = (self.scale * factor).clamp(_LOWEST, _HIGHEST)
        return overflow

    def halve(self) -> bool:
        """After an overflow outside of a weight step; False where the scale cannot have been the cause."""
        if not self.enabled or float(to_host(self.scale)) <= _LOWEST:
            return False
        self.scale, self.good = (self.scale / 2).clamp_min(_LOWEST), torch.zeros_like(self.good)
        return True

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"scale": float(to_host(self.scale)), "good": float(to_host(self.good))}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up a saved state."""
        self.scale, self.good = (torch.full_like(self.scale, state[name]) for name in ("scale", "good"))


class _Scale(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return grads[0] * factor, None


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    scaled: Tensor = _Scale.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled
