"""Drawing operations from logits, on the CPU, by the Gumbel-max trick: exact also where a softmax underflows."""

import torch
from torch import Tensor

_TINY = 1e-20


def gumbel_like(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise."""
    uniform = torch.rand(logits.shape, generator=generator).clamp(_TINY, 1 - 1e-7)
    return -(-uniform.log()).log()


def sample_path(logits: Tensor, generator: torch.Generator) -> list[int]:
    """One operation per layer from the softmax of `logits` (layers, most operations), padded with -inf."""
    path: list[int] = (logits + gumbel_like(logits, generator)).argmax(1).tolist()
    return path


def sample_pairs(logits: Tensor, generator: torch.Generator) -> list[list[int]]:
    """Per layer two distinct operations, drawn without replacement; the only one where there is no other.

    The first of a pair is distributed as in `sample_path` (Gumbel-top-k: Kool et al., ICML 2019).
    """
    keys, pairs = (logits + gumbel_like(logits, generator)).topk(min(2, logits.shape[1]), 1)
    rows = zip(pairs.tolist(), torch.isfinite(keys).tolist(), strict=True)
    return [[op for op, legal in zip(pair, legals, strict=True) if legal] for pair, legals in rows]


def draw_evenly(pairs: list[list[int]], generator: torch.Generator) -> list[int]:
    """One of each pair, each with the same probability."""
    coins = torch.rand(len(pairs), generator=generator).tolist()
    return [pair[int(coin * len(pair))] for pair, coin in zip(pairs, coins, strict=True)]


def active_probs(logits: Tensor) -> Tensor:
    """Probability of each operation to be drawn evenly from a pair of `sample_pairs`; of the shape of `logits`.

    `(p_a + sum_i p_i p_a / (1 - p_i)) / 2`, over the others `i`; its probability where it is the only one.
    """
    probs = logits.double().softmax(1)
    others = probs[:, None, :].masked_fill(torch.eye(probs.shape[1], dtype=torch.bool), 0.0).sum(2)
    odds = torch.where(others > 0, probs / others.clamp_min(1e-300), 0.0)
    second = probs * (odds.sum(1, keepdim=True) - odds)
    alone = torch.isfinite(logits).sum(1, keepdim=True) == 1
    return torch.where(alone, probs, (probs + second) / 2)
