"""BatchNorm over the batch of all processes together, so that several processes compute what one would."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


def share_norms(module: nn.Module, fused: bool) -> None:
    """Replace every BatchNorm in place by one over the global batch; weights, buffers and their names stay.

    fused: use PyTorch's own, which is fast, on CUDA only, and cannot be differentiated twice.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            shared: nn.Module = (
                nn.SyncBatchNorm.convert_sync_batchnorm(child)  # type: ignore[no-untyped-call]
                if fused
                else GlobalNorm.like(child)
            )
            setattr(module, name, shared)
        else:
            share_norms(child, fused)


class GlobalNorm(nn.BatchNorm2d):
    """BatchNorm (Ioffe and Szegedy 2015) with the statistics of the batches of all processes, which are equally large.

    One exchange of 2 C numbers per process and pass. Can be differentiated any number of times, and runs wherever
    the process group does. In evaluation it is plain BatchNorm. Processes must run the same layers in the same order.
    """

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> "GlobalNorm":
        """One with the weights and buffers of `norm`, not copies of them."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made._parameters, made._buffers = norm._parameters, norm._buffers
        return made.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x.to(self.weight.dtype), (0, 2, 3), correction=0)
        means, variances = _gathered(torch.cat([mean, var])).chunk(2, 1)
        # Exact, and without the cancellation of E[x^2] - E[x]^2 (Chan, Golub and LeVeque 1979).
        mean, var = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        if self.track_running_stats:
            self._track(mean, var, len(means) * x.numel() // self.num_features)
        scale = self.weight * (var + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: int) -> None:
        assert self.momentum is not None and self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (count / (count - 1)), self.momentum)


def _gathered(row: Tensor) -> Tensor:
    """The rows of all processes, (processes, length); differentiable."""
    rank, world = distributed.get_rank(), distributed.get_world_size()
    mine = torch.nn.functional.pad(row[None], (0, 0, rank, world - 1 - rank))
    rows: Tensor = _Sum.apply(mine)  # type: ignore[no-untyped-call]
    return rows


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, when the loss is the sum of the losses of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (grad,) = grads
        total: Tensor = _Sum.apply(grad)  # type: ignore[no-untyped-call]
        return total
