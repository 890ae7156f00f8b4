"""Blocks as users have them, in plain PyTorch: nothing here knows of proxyless."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_ACTS: dict[str, Any] = {"relu6": nn.ReLU6, "relu": nn.ReLU, "h_swish": nn.Hardswish, "swish": nn.SiLU}


class Residual(nn.Module):
    """Two convolutions, a squeeze-and-excite of linear layers, and the input where the shape stays."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, act: str, se: int = 0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            _ACTS[act](),
            nn.Conv2d(out_channels, out_channels, kernel_size, 1, kernel_size // 2),
            nn.BatchNorm2d(out_channels),
        )
        self.squeeze = nn.Linear(out_channels, se) if se else None
        self.excite = nn.Linear(se, out_channels) if se else None
        self.keeps = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        if self.squeeze is not None and self.excite is not None:
            share = functional.adaptive_avg_pool2d(y, 1).flatten(1)
            share = torch.sigmoid(self.excite(functional.relu(self.squeeze(share))))
            y = y * share[:, :, None, None]
        return x + y if self.keeps else y


class Ghost(nn.Module):
    """A module of GhostNet (Han et al., CVPR 2020) in its bottleneck: half of the channels are made of the others by a
    cheap depthwise convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, expand: float = 2
    ) -> None:
        super().__init__()
        inner = int(in_channels * expand)
        self.first, self.second = _Half(in_channels, inner, True), _Half(inner, out_channels, False)
        self.down = nn.Sequential()
        if stride > 1:
            self.down.append(nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False))
            self.down.append(nn.BatchNorm2d(inner))
        self.keeps = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.down(self.first(x)))
        return y + x if self.keeps else y


class _Half(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, active: bool) -> None:
        super().__init__()
        self.out_channels, half = out_channels, -(-out_channels // 2)

        def end() -> list[nn.Module]:
            return [nn.BatchNorm2d(half), nn.ReLU(inplace=True) if active else nn.Identity()]

        self.primary = nn.Sequential(nn.Conv2d(in_channels, half, 1, bias=False), *end())
        self.cheap = nn.Sequential(nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False), *end())

    def forward(self, x: Tensor) -> Tensor:
        made = self.primary(x)
        return torch.cat([made, self.cheap(made)], dim=1)[:, : self.out_channels]


class ShuffleUnit(nn.Module):
    """ShuffleNet V2 (Ma et al., ECCV 2018): half of the channels pass by, then all are shuffled."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half, self.stride = out_channels // 2, stride
        inputs = in_channels if stride > 1 else half
        if stride > 1:
            self.branch1 = nn.Sequential(*self._depthwise(inputs, stride), *self._pointwise(inputs, half))
        self.branch2 = nn.Sequential(
            *self._pointwise(inputs, half), *self._depthwise(half, stride), *self._pointwise(half, half)
        )
        self.drop = nn.Dropout(0.1)

    @staticmethod
    def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    @staticmethod
    def _depthwise(channels: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            past, through = x.chunk(2, dim=1)
            x = torch.cat((past, self.branch2(through)), dim=1)
        else:
            x = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        dropped: Tensor = self.drop(x)
        return dropped
