"""The architecture parameters: logits per layer and operation, and the latency that they expect."""

import torch
from torch import Tensor, nn

from proxyless.seeds import stream_generator
from proxyless.space import Space
from proxyless.space.latency import LayerCosts


class ArchitectureLogits(nn.Module):
    """One logit per layer and operation, drawn from N(0, 1e-3).

    `logits` is (layers, most operations), padded with -inf where a layer has fewer: a padded entry has
    probability 0 and gets no gradient.
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
        """Per layer and legal operation."""
        rows = self.logits.detach().double().log_softmax(1).tolist()
        return [row[:count] for row, count in zip(rows, self.counts, strict=True)]

    def entropy(self) -> float:
        """Mean over the layers of the entropy in nats."""
        probs = self.probs().detach()
        return float(-torch.special.xlogy(probs, probs).sum(1).mean())


class ExpectedLatency(nn.Module):
    """`E[lat] = c + sum_l sum_j p_lj F_lj` in milliseconds (Cai et al. 2019, equation 2, extended by c)."""

    costs: Tensor

    def __init__(self, costs: LayerCosts) -> None:
        super().__init__()
        widest = max(len(row) for row in costs.layers_ms)
        padded = [list(row) + [0.0] * (widest - len(row)) for row in costs.layers_ms]
        self.constant_ms = costs.constant_ms
        self.register_buffer("costs", torch.tensor(padded), persistent=False)

    def forward(self, probs: Tensor) -> Tensor:
        """Scalar, differentiable with respect to `probs` (layers, most operations)."""
        return self.constant_ms + (probs * self.costs).sum()
