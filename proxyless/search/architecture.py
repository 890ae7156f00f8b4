"""The architecture parameters: logits per decision and choice, and the cost that they expect."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from proxyless.nn.mixed import has_gates
from proxyless.seeds import stream_generator
from proxyless.space import Space
from proxyless.space.bounds import Bound


class ArchitectureLogits(nn.Module):
    """One logit per decision and choice, drawn from N(0, 1e-3), kept on the CPU.

    `logits` is (decisions, most choices), padded with -inf where a decision has fewer: a padded entry has
    probability 0 and gets no gradient. There are too few of them to be worth a GPU, and paths that are
    sampled on the CPU never wait for one. gated: the decisions whose choices the gates of a slot compare.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__()
        counts = list(space.sizes)
        generator = stream_generator(seed, "logits")
        logits = 1e-3 * torch.randn(len(counts), max(counts), generator=generator)
        for row, count in zip(logits, counts, strict=True):
            row[count:] = -torch.inf
        self.counts = counts
        self.gated = has_gates(space.decisions, space.slots)
        self.logits = nn.Parameter(logits)

    @property
    def gated_counts(self) -> list[int]:
        """Number of choices of the decisions with gates; of none at all, one."""
        return [count for count, gated in zip(self.counts, self.gated, strict=True) if gated] or [1]

    def probs(self) -> Tensor:
        """(decisions, most choices), each row sums to 1."""
        return self.logits.softmax(1)

    def log_probs(self) -> list[list[float]]:
        """Per decision and choice."""
        rows = self.logits.detach().double().log_softmax(1).tolist()
        return [row[:count] for row, count in zip(rows, self.counts, strict=True)]

    def entropy(self) -> list[float]:
        """Per decision, in nats."""
        probs = self.probs().detach()
        entropy: list[float] = (-torch.special.xlogy(probs, probs).sum(1)).tolist()
        return entropy


class ExpectedCosts(nn.Module):
    """`E[cost] = c + sum_f sum_j P_fj F_fj` relative to the limit, per bound, with `P_fj` the product of the
    probabilities of the choices of factor f's combination j: the decisions are independent, so it is exact (Cai et al.
    2019, equation 2, with c and with several decisions to a layer).
    """

    constants: Tensor
    costs: Tensor
    places: Tensor

    def __init__(self, bounds: Sequence[Bound]) -> None:
        super().__init__()
        sizes = bounds[0].sizes
        most, end = max(sizes), len(sizes) * max(sizes)
        scopes = list(dict.fromkeys(factor.scope for bound in bounds for factor in bound.factors))
        longest = max(map(len, scopes), default=1)
        places = [
            [decision * most + choice for decision, choice in zip(scope, combination, strict=True)]
            + [end] * (longest - len(scope))
            for scope in scopes
            for combination in product(*(range(sizes[decision]) for decision in scope))
        ]
        costs = [_flat_costs(bound, scopes) / bound.limit for bound in bounds]
        self.register_buffer("costs", torch.tensor(np.stack(costs), dtype=torch.float32), persistent=False)
        self.register_buffer("places", torch.tensor(places).reshape(-1, longest), persistent=False)
        constants = torch.tensor([bound.constant / bound.limit for bound in bounds])
        self.register_buffer("constants", constants, persistent=False)

    def forward(self, probs: Tensor) -> Tensor:
        """Ratios (bounds,), differentiable with respect to `probs` (decisions, most choices)."""
        ended = torch.cat([probs.flatten(), probs.new_ones(1)])  # what a shorter scope has none of counts as certain
        columns = ended[self.places].unbind(1)
        together = columns[0]
        for column in columns[1:]:  # `prod` would ask the device whether one of them is zero
            together = together * column
        return self.constants + self.costs.to(probs.dtype) @ together


def _flat_costs(bound: Bound, scopes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Of all combinations of all scopes, one after another."""
    rows = {scope: np.zeros([bound.sizes[decision] for decision in scope]) for scope in scopes}
    for factor in bound.factors:
        rows[factor.scope] = rows[factor.scope] + factor.values
    return np.concatenate([rows[scope].ravel() for scope in scopes]) if scopes else np.zeros(0)
