"""The search loop of ProxylessNAS written down plainly, as a point of reference for speed.

After `MixedEdge` (mode `full_v2`) and the run manager of https://github.com/mit-han-lab/proxylessnas (MIT licence,
Copyright Han Cai): float32, contiguous tensors, one categorical draw with `.item()` per layer, every candidate run
again in the backward pass of an architecture step, plain SGD and Adam. Nothing of it is used by the search itself.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from proxyless.nn.blocks import build_layer, initialise, running_norm
from proxyless.space import Slot, Space


class MixedEdge(nn.Module):
    """One searched layer with architecture parameters and binary gates of its own."""

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        specs = slot.specs
        self.candidates = nn.ModuleList(build_layer(s, running_norm) if s else nn.Identity() for s in specs)
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(specs)))
        self.gates = nn.Parameter(torch.zeros(len(specs)))
        self.active = 0

    def binarize(self) -> None:
        self.activate(int(torch.multinomial(self.alpha.detach().softmax(0), 1)[0].item()))

    def activate(self, op: int) -> None:
        self.active = op
        self.gates.data.zero_()
        self.gates.data[op] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Gated.apply(x, self.gates, self)  # type: ignore[no-untyped-call]
        return out

    def set_alpha_gradient(self) -> None:
        probs, gradient = self.alpha.detach().softmax(0), self.gates.grad
        assert gradient is not None
        self.alpha.grad = torch.zeros_like(probs)
        for i in range(len(probs)):
            for j in range(len(probs)):
                self.alpha.grad[i] += gradient[j] * probs[j] * (int(i == j) - probs[i])
        self.gates.grad = None


class _Gated(torch.autograd.Function):
    """Runs the active candidate; the gradient of a gate is the product of its candidate's output with that of ours."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Tensor, edge: MixedEdge) -> Tensor:
        detached = x.detach().requires_grad_()
        with torch.enable_grad():
            out: Tensor = edge.candidates[edge.active](detached)
        ctx.edge, ctx.x, ctx.out, ctx.wants_gates = edge, detached, out, gates.requires_grad
        return out.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (grad,) = grads
        edge = ctx.edge
        weights = [p for p in edge.candidates[edge.active].parameters() if p.requires_grad]
        by_x, *by_weight = torch.autograd.grad(ctx.out, [ctx.x, *weights], grad)
        for weight, gradient in zip(weights, by_weight, strict=True):
            weight.grad = gradient
        if not ctx.wants_gates:
            return by_x, None, None
        gates = torch.zeros_like(edge.gates)
        with torch.no_grad():
            for index, candidate in enumerate(edge.candidates):
                out = ctx.out if index == edge.active else candidate(ctx.x)
                gates[index] = (out * grad).sum()
        return by_x, gates, None


class PaperLoop:
    """Weight steps and architecture steps in turn, in a space of nothing but operations."""

    def __init__(self, space: Space, device: torch.device) -> None:
        parts = [
            build_layer(slot.layers[0], running_norm) if slot.is_fixed else MixedEdge(slot) for slot in space.slots
        ]
        self.edges = [part for part in parts if isinstance(part, MixedEdge)]
        self.net = nn.Sequential(*parts)
        initialise(self.net)
        self.net.to(device)
        edge_parameters = {id(p) for edge in self.edges for p in (edge.alpha, edge.gates)}
        self.weights = [p for p in self.net.parameters() if id(p) not in edge_parameters]
        self.sgd = torch.optim.SGD(self.weights, 0.025, 0.9, weight_decay=4e-5, nesterov=True, foreach=False)
        self.adam = torch.optim.Adam([edge.alpha for edge in self.edges], 1e-3, (0.0, 0.999), foreach=False)

    def _sample(self, for_gates: bool) -> None:
        for edge in self.edges:
            edge.gates.requires_grad_(for_gates)
            edge.binarize()

    def weight_step(self, images: Tensor, labels: Tensor) -> float:
        self._sample(for_gates=False)
        self.sgd.zero_grad(set_to_none=True)
        loss = cross_entropy(self.net(images), labels, label_smoothing=0.1)
        torch.autograd.backward(loss)
        self.sgd.step()
        return loss.item()

    def architecture_step(self, images: Tensor, labels: Tensor) -> float:
        self._sample(for_gates=True)
        self.net.zero_grad(set_to_none=True)
        loss = cross_entropy(self.net(images), labels)
        torch.autograd.backward(loss)
        for edge in self.edges:
            edge.set_alpha_gradient()
        self.adam.step()
        return loss.item()
