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
