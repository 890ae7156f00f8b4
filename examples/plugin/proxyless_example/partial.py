"""A block in plain PyTorch, as it may be in any code: that of FasterNet (Chen et al., CVPR 2023)."""

import torch
from torch import Tensor, nn


class PartialBlock(nn.Module):
    """A convolution on a quarter of the channels, and two of 1x1 on all of them."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, expand: float = 2
    ) -> None:
        super().__init__()
        self.part, inner = in_channels // 4, int(in_channels * expand)
        self.partial = nn.Conv2d(self.part, self.part, kernel, 1, kernel // 2, bias=False)
        self.mlp = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, stride, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, out_channels, 1, bias=False),
        )
        self.keeps = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        part, rest = torch.split(x, [self.part, x.shape[1] - self.part], dim=1)
        y: Tensor = self.mlp(torch.cat([self.partial(part), rest], dim=1))
        return x + y if self.keeps else y
