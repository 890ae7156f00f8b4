"""The gradient of an expectation over sampled networks (Williams 1992)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def policy_term(costs: Tensor, log_probs: Tensor, paths: Sequence[Sequence[int]]) -> Tensor:
    """Zero, with the gradient of the expected cost; the baseline of a network is the mean of the others (Kool, van Hoof
    and Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019).

    costs: of the networks (paths,), at least two. log_probs: (decisions, most choices). paths: a choice per decision.
    """
    others = (costs.sum() - costs) / (len(paths) - 1)
    index = torch.tensor(paths).to(log_probs.device, non_blocking=True)
    log_path = log_probs.expand(len(paths), -1, -1).gather(2, index[:, :, None]).sum((1, 2))
    return ((costs - others) * (log_path - log_path.detach())).mean()
