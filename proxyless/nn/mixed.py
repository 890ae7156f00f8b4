"""A searched layer: binary gates with one path in memory and exact gate gradients, or a weighted mixture."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from proxyless.nn.blocks import Block, batch_norm, build_layer
from proxyless.space.space import Layer


class Choice(NamedTuple):
    """What a searched layer does in one step.

    active: index of the operation that computes the output (its gate is 1, all others are 0).
    compared: indices of the operations whose gates get a gradient; empty in a weight step.
    probs: shape (len(compared),), probabilities of the compared operations. They do not change the
        output; the gradient that they receive is that of the gates.
    """

    active: int
    compared: tuple[int, ...] = ()
    probs: Tensor | None = None


class Mixture(NamedTuple):
    """A searched layer as the weighted sum of all its operations (DARTS, SNAS, FBNet).

    weights: shape (operations,).
    """

    weights: Tensor


class MixedLayer(nn.Module):
    """The candidates of one searched layer.

    In the order of `layer.ops`; the identity has no module.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        specs = [layer.spec(op) for op in layer.ops]
        self.candidates = nn.ModuleDict(
            {str(index): build_layer(spec, batch_norm) for index, spec in enumerate(specs) if spec is not None}
        )

    def is_skip(self, index: int) -> bool:
        return str(index) not in self.candidates

    def branch(self, index: int, x: Tensor) -> Tensor:
        """What operation `index` adds to the identity, or its whole output where there is no identity."""
        block = self.candidates[str(index)]
        assert isinstance(block, Block)
        out: Tensor = block.branch(x)
        return out

    def forward(self, x: Tensor, choice: Choice | Mixture) -> Tensor:
        if isinstance(choice, Mixture):
            return self._mixture(x, choice.weights)
        y = x if self.is_skip(choice.active) else self.candidates[str(choice.active)](x)
        if choice.probs is None:
            return y
        out: Tensor = _GateGradient.apply(y, x, choice.probs, self, choice)  # type: ignore[no-untyped-call]
        return out

    def _mixture(self, x: Tensor, weights: Tensor) -> Tensor:
        """Candidates are computed again in the backward pass: no more than one is in memory with its insides."""
        outputs = [
            x if self.is_skip(index) else checkpoint(self.candidates[str(index)], x, use_reentrant=False)
            for index in range(len(weights))
        ]
        return torch.stack([weight * y for weight, y in zip(weights, outputs, strict=True)]).sum(0)


class _GateGradient(torch.autograd.Function):
    """Identity on `y`; gives `probs` the gradient of the gates (Cai et al. 2019, equations 3 and 4).

    `dL/dg_j = <dL/dy, o_j(x)>`. The outputs o_j of the inactive operations are computed in the
    backward pass, without a graph, one at a time: memory stays that of one path. Where the layer
    keeps the shape, o_j is what an operation adds to the identity: a residual block its branch, skip
    nothing. The identity itself would add the same number to every dL/dg_j, which the softmax behind
    `probs` cancels.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, probs: Tensor, mixed: MixedLayer, choice: Choice) -> Tensor:
        # Both are inputs of neighbouring layers, which keep them in any case.
        ctx.save_for_backward(x, y)
        ctx.mixed, ctx.choice, ctx.dtype = mixed, choice, probs.dtype
        device = x.device.type
        ctx.autocast = (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, Tensor, None, None]:
        (grad_y,) = grads
        x, y = ctx.saved_tensors
        device, enabled, dtype = ctx.autocast
        with torch.no_grad(), torch.autocast(device, enabled=enabled, dtype=dtype):
            gates = [_gate_gradient(ctx.mixed, ctx.choice.active, j, x, y, grad_y) for j in ctx.choice.compared]
        return grad_y, None, torch.stack(gates).to(ctx.dtype), None, None


def _gate_gradient(mixed: MixedLayer, active: int, index: int, x: Tensor, y: Tensor, grad_y: Tensor) -> Tensor:
    """`<dL/dy, o_j(x)>`, less that of the identity where the layer keeps the shape."""
    if mixed.is_skip(index):
        return grad_y.new_zeros(())
    block = mixed.candidates[str(index)]
    if index != active and block.residual:
        return _inner(grad_y, mixed.branch(index, x.detach()))
    own = _inner(grad_y, y if index == active else mixed.branch(index, x.detach()))
    return own - _inner(grad_y, x) if x.shape == y.shape else own


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dtype=torch.float32 if a.dtype in (torch.bfloat16, torch.float16) else None)


def plain_choices(path: Sequence[int]) -> list[Choice]:
    """One active operation per layer, no gate gradients: a weight step or an evaluation."""
    return [Choice(active) for active in path]
