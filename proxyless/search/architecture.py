"""The architecture parameters: logits per layer and operation, and the cost that they expect."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from proxyless.seeds import stream_generator
from proxyless.space import Space
from proxyless.space.bounds import Bound


class ArchitectureLogits(nn.Module):
    """One logit per layer and operation, drawn from N(0, 1e-3), kept on the CPU.

    `logits` is (layers, most operations), padded with -inf where a layer has fewer: a padded entry has
    probability 0 and gets no gradient. There are too few of them to be worth a GPU, and paths that are
    sampled on the CPU never wait for one.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__()
        counts = [len(layer.ops) for layer in space.layers]
        generator = stream_generator(seed, "logits")
        logits = 1e-3 * torch.randn(len(counts), max(counts), generator=generator)
        for row, count in zip(logits, counts, strict=True):
            row[count:] = -torch.inf
        self.counts = counts
        self.logits = nn.Parameter(logits)

    def probs(self) -> Tensor:
        """(layers, most operations), each row sums to 1."""
        return self.logits.softmax(1)

    def log_probs(self) -> list[list[float]]:
        """Per layer and operation."""
        rows = self.logits.detach().double().log_softmax(1).tolist()
        return [row[:count] for row, count in zip(rows, self.counts, strict=True)]

    def entropy(self) -> list[float]:
        """Per layer, in nats."""
        probs = self.probs().detach()
        entropy: list[float] = (-torch.special.xlogy(probs, probs).sum(1)).tolist()
        return entropy


class ExpectedCosts(nn.Module):
    """`E[cost] = c + sum_l sum_j p_lj F_lj` relative to the limit, per bound (Cai et al. 2019, equation 2, with c)."""

    constants: Tensor
    costs: Tensor

    def __init__(self, bounds: Sequence[Bound]) -> None:
        super().__init__()
        widest = max(len(row) for row in bounds[0].layers)
        padded = [
            [[cost / bound.limit for cost in row] + [0.0] * (widest - len(row)) for row in bound.layers]
            for bound in bounds
        ]
        self.register_buffer("costs", torch.tensor(padded), persistent=False)
        constants = torch.tensor([bound.constant / bound.limit for bound in bounds])
        self.register_buffer("constants", constants, persistent=False)

    def forward(self, probs: Tensor) -> Tensor:
        """Ratios (bounds,), differentiable with respect to `probs` (layers, most operations)."""
        return self.constants + (probs * self.costs).sum((1, 2))
