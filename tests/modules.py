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


class ShuffleUnit(nn.Module):
    """ShuffleNet (Zhang et al., CVPR 2018), as it is usually written: 1x1 convolutions in groups, a shuffle between."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, groups: int = 2, expand: float = 1.0) -> None:
        super().__init__()
        inner = round(in_channels * expand)
        self.groups, self.stride = groups, stride
        self.conv1, self.bn1 = nn.Conv2d(in_channels, inner, 1, groups=groups, bias=False), nn.BatchNorm2d(inner)
        self.dw = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, out_channels, 1, groups=groups), nn.BatchNorm2d(out_channels)
        self.drop = nn.Dropout(0.1)
        self.down: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.down = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        n, c, h, w = y.shape
        y = y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        y = self.drop(self.bn3(self.conv3(self.bn2(self.dw(y)))))
        y += self.down(x)
        return functional.relu(y)
