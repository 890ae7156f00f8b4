"""What may stand in a slot: binary gates with one path in memory and exact gate gradients, or a weighted mixture."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from proxyless.nn.blocks import Block, batch_norm, build_layer
from proxyless.ops import LayerSpec, is_module, layer_cost
from proxyless.space import Decision, Slot


class Choice(NamedTuple):
    """What is done in one step where a decision is concerned.

    active: index of the choice that computes the output (its gate is 1, all others are 0).
    compared: indices of the operations whose gates get a gradient; empty in a weight step.
    probs: shape (len(compared),), probabilities of the compared operations. They do not change the
        output; the gradient that they receive is that of the gates, summed over the slots of the decision.
    """

    active: int
    compared: tuple[int, ...] = ()
    probs: Tensor | None = None


class Mixture(NamedTuple):
    """The operations of a decision as a weighted sum (DARTS, SNAS, FBNet).

    weights: shape (operations,).
    """

    weights: Tensor


Choices = Sequence[Choice | Mixture]
"""One for every decision of the space."""


def has_gates(decisions: Sequence[Decision], slots: Sequence[Slot]) -> list[bool]:
    """Of every decision, whether its choices are operations that the gates of a slot compare: in a slot of several such
    decisions, as in a cell, no gate belongs to one of them alone."""
    gated = [decision.kind == "operation" for decision in decisions]
    for slot in slots:
        among = [decision for decision in slot.scope if decisions[decision].kind == "operation"]
        if len(among) > 1:
            for decision in among:
                gated[decision] = False
    return gated


class MixedLayer(nn.Module):
    """The candidates of one slot: one for every operation, with the weights of its largest layer; its layers of other
    widths are parts of that one.

    An operation that is no layer at all has no module. A slot of several operations, as a cell, has one candidate for
    all combinations: weights belong to the names of nodes, as those of an edge and its operation.
    """

    def __init__(self, slot: Slot, decisions: Sequence[Decision]) -> None:
        super().__init__()
        self.slot = slot
        operations = [d for d in slot.scope if decisions[d].kind == "operation"]
        self.decision = operations[0] if len(operations) == 1 else None
        specs = self._specs() if len(operations) <= 1 else {"0": list(slot.layers)}
        self._largest = {name: max(each, key=lambda spec: layer_cost(spec).params) for name, each in specs.items()}
        self._residual = {name: all(spec.residual for spec in each) for name, each in specs.items()}
        names = sorted(specs, key=int)
        others = slot.layers if len(operations) > 1 else ()
        self.candidates = nn.ModuleDict({name: build_layer(self._largest[name], batch_norm, others) for name in names})

    def _specs(self) -> dict[str, list[LayerSpec]]:
        """By candidate."""
        specs: dict[str, list[LayerSpec]] = {}
        for indices, spec in zip(product(*map(range, self.slot.sizes)), self.slot.specs, strict=True):
            if spec is not None:
                specs.setdefault(self._name(dict(zip(self.slot.scope, indices, strict=True))), []).append(spec)
        return specs

    def _name(self, path: Sequence[int] | dict[int, int]) -> str:
        return "0" if self.decision is None else str(path[self.decision])

    def is_residual(self, name: str) -> bool:
        """Whether all layers of a candidate add their input."""
        return self._residual[name]

    def module(self, name: str) -> str | None:
        """The operator of a candidate that is a torch module of a user."""
        spec = self._largest[name]
        return spec.op if is_module(spec) else None

    def active(self, choices: Choices) -> str | None:
        """The name of the candidate that computes the output; None where it is a sum of several, or none."""
        if self.decision is None:
            return "0"
        choice = choices[self.decision]
        return str(choice.active) if isinstance(choice, Choice) else None

    def block(self, path: Sequence[int]) -> tuple[Block, LayerSpec] | None:
        """The candidate of a network, and the layer that it has to be; None where there is no layer."""
        spec = self.slot.spec(path)
        if spec is None:
            return None
        block = self.candidates[self._name(path)]
        assert isinstance(block, Block)
        return block, spec

    def compute(self, path: Sequence[int], x: Tensor) -> Tensor:
        """The output of the layer of a network."""
        found = self.block(path)
        if found is None:
            return x
        block, spec = found
        out: Tensor = block(x) if self._is_whole(path, spec) else block.part(x, spec)
        return out

    def branch(self, path: Sequence[int], x: Tensor) -> Tensor:
        """What the layer adds to the identity, or its whole output where it adds to none."""
        found = self.block(path)
        assert found is not None
        block, spec = found
        out: Tensor = block.branch(x) if self._is_whole(path, spec) else block.part_of_branch(x, spec)
        return out

    def _is_whole(self, path: Sequence[int], spec: LayerSpec) -> bool:
        """Whether the layer of a network has all weights of its candidate."""
        return _same_weights(spec, self._largest[self._name(path)])

    def forward(self, x: Tensor, choices: Choices, path: Sequence[int]) -> Tensor:
        """path: the active choices."""
        choice = None if self.decision is None else choices[self.decision]
        if isinstance(choice, Mixture):
            return self._mixture(x, choice.weights, path)
        y = self.compute(path, x)
        if choice is None or choice.probs is None:
            return y
        out: Tensor = _GateGradient.apply(y, x, choice.probs, _At(self, path), choice)  # type: ignore[no-untyped-call]
        return out

    def _mixture(self, x: Tensor, weights: Tensor, path: Sequence[int]) -> Tensor:
        """Candidates are computed again in the backward pass: no more than one is in memory with its insides."""
        at = _At(self, path)
        outputs = [
            x if at.spec(index) is None else checkpoint(self.compute, at.path(index), x, use_reentrant=False)
            for index in range(len(weights))
        ]
        return torch.stack([weight * y for weight, y in zip(weights, outputs, strict=True)]).sum(0)


def _same_weights(spec: LayerSpec, largest: LayerSpec) -> bool:
    """Whether a layer has all weights of the largest one: it may be of another resolution."""
    return (spec.in_shape[2], spec.out_shape[2], spec.kernel, spec.expand, spec.residual, spec.edges) == (
        largest.in_shape[2],
        largest.out_shape[2],
        largest.kernel,
        largest.expand,
        largest.residual,
        largest.edges,
    )


class _At(NamedTuple):
    """A slot of a network, with one operation or another."""

    layer: MixedLayer
    active: Sequence[int]

    def path(self, index: int) -> list[int]:
        decision = self.layer.decision
        return [index if number == decision else choice for number, choice in enumerate(self.active)]

    def spec(self, index: int) -> LayerSpec | None:
        return self.layer.slot.spec(self.path(index))

    def branch(self, index: int, x: Tensor) -> Tensor:
        return self.layer.branch(self.path(index), x)


class _GateGradient(torch.autograd.Function):
    """Identity on `y`; gives `probs` the gradient of the gates (Cai et al. 2019, equations 3 and 4).

    `dL/dg_j = <dL/dy, o_j(x)>`. The outputs o_j of the inactive operations are computed in the
    backward pass, without a graph, one at a time: memory stays that of one path. Where the layer
    keeps the shape, o_j is what an operation adds to the identity: a residual block its branch, skip
    nothing. The identity itself would add the same number to every dL/dg_j, which the softmax behind
    `probs` cancels.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, probs: Tensor, at: _At, choice: Choice) -> Tensor:
        # Both are inputs of neighbouring layers, which keep them in any case.
        ctx.save_for_backward(x, y)
        ctx.at, ctx.choice, ctx.dtype = at, choice, probs.dtype
        device = x.device.type
        ctx.autocast = (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, Tensor, None, None]:
        (grad_y,) = grads
        x, y = ctx.saved_tensors
        device, enabled, dtype = ctx.autocast
        with torch.no_grad(), torch.autocast(device, enabled=enabled, dtype=dtype):
            gates = [_gate_gradient(ctx.at, ctx.choice.active, j, x, y, grad_y) for j in ctx.choice.compared]
        return grad_y, None, torch.stack(gates).to(ctx.dtype), None, None


def _gate_gradient(at: _At, active: int, index: int, x: Tensor, y: Tensor, grad_y: Tensor) -> Tensor:
    """`<dL/dy, o_j(x)>`, less that of the identity where the layer keeps the shape."""
    spec = at.spec(index)
    if spec is None:
        return grad_y.new_zeros(())
    if index != active and spec.residual:
        return _inner(grad_y, at.branch(index, x.detach()))
    own = _inner(grad_y, y if index == active else at.branch(index, x.detach()))
    return own - _inner(grad_y, x) if x.shape == y.shape else own


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dtype=torch.float32 if a.dtype in (torch.bfloat16, torch.float16) else None)


def plain_choices(path: Sequence[int]) -> list[Choice]:
    """One active operation per layer, no gate gradients: a weight step or an evaluation."""
    return [Choice(active) for active in path]
