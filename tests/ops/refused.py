"""Modules that cannot be operations, each for one reason."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _OnConvolution(nn.Module):
    """One convolution, and what follows."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Any:
        return self.after(self.conv(x))

    def after(self, x: Tensor) -> Any:
        return x


class Normed(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.norm = nn.GroupNorm(2, out_channels)

    def after(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x)
        return out


class Deciding(_OnConvolution):
    def after(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else -x


class Scaled(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.gamma = nn.Parameter(torch.ones(out_channels, 1, 1))

    def after(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Spare(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.spare = nn.Linear(in_channels, out_channels)


class Twice(_OnConvolution):
    def after(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Several(_OnConvolution):
    def after(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Pooled(_OnConvolution):
    def after(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Failing(_OnConvolution):
    def after(self, x: Tensor) -> Tensor:
        return x.view(3, 5)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Loose(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=0)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(functional.pad(x, (1, 1, 1, 1))))
        return out


class OtherEps(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)

    def after(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x)
        return out


class InPlace(_OnConvolution):
    """What it writes into a part of a tensor changes the whole."""

    def after(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        return x + torch.cat([first.relu_(), second], 1)


class Asking(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int, heads: int) -> None:
        super().__init__(in_channels, out_channels * heads)


class Choosy(_OnConvolution):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        raise RuntimeError("only with 17 channels")


class Changing(nn.Module):
    """Of other parts where the width changes."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.down = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x) + self.down(x)
        return out


class Plain:
    pass


def make(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 1)
