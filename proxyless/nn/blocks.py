"""Torch modules for layer specs. Activations are (N, C, H, W); a new layer kind is one line in `_BUILDERS`."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from proxyless.nn.depthwise import DepthwiseConv
from proxyless.space.spec import LayerSpec

Norm = Callable[[int], nn.Module]
"""Makes a normalisation layer for a number of channels."""

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu6": lambda: nn.ReLU6(inplace=True),
    "relu": lambda: nn.ReLU(inplace=True),
    "h_swish": lambda: nn.Hardswish(inplace=True),
    "none": nn.Identity,
}


def running_norm(channels: int) -> nn.Module:
    """BatchNorm for a network that will be deployed: keeps running statistics."""
    return nn.BatchNorm2d(channels)


def batch_norm(channels: int) -> nn.Module:
    """BatchNorm for a supernet: statistics of the batch only.

    The input of a shared operation changes with the sampled path, so running statistics would mix
    distributions that no single network sees.
    """
    return nn.BatchNorm2d(channels, track_running_stats=False)


def _conv(in_c: int, out_c: int, kernel: int = 1, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_c, out_c, kernel, stride, kernel // 2, bias=False)


class ConvBlock(nn.Sequential):
    """Convolution, normalisation, activation."""

    def __init__(self, spec: LayerSpec, norm: Norm) -> None:
        conv = _conv(spec.in_shape[2], spec.out_shape[2], spec.kernel, spec.stride)
        super().__init__(OrderedDict(conv=conv, norm=norm(spec.out_shape[2]), act=_ACTIVATIONS[spec.act]()))


class Branch(nn.Sequential):
    """A sequence that can be compiled as one: the compiler passes over the code of `nn.Sequential` itself."""

    def forward(self, x: Tensor) -> Tensor:
        for part in self:
            x = part(x)
        return x


class MBConv(nn.Module):
    """Inverted bottleneck (Sandler et al., CVPR 2018): expand 1x1, depthwise KxK, project 1x1.

    There is no expansion convolution when `spec.expand` is 1.
    """

    def __init__(self, spec: LayerSpec, norm: Norm) -> None:
        super().__init__()
        in_c, mid_c, out_c = spec.in_shape[2], spec.mid_channels, spec.out_shape[2]
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if spec.expand > 1:
            parts["expand"] = _conv(in_c, mid_c)
            parts["expand_norm"] = norm(mid_c)
            parts["expand_act"] = _ACTIVATIONS[spec.act]()
        parts["depthwise"] = DepthwiseConv(mid_c, spec.kernel, spec.stride)
        parts["depthwise_norm"] = norm(mid_c)
        parts["depthwise_act"] = _ACTIVATIONS[spec.act]()
        parts["project"] = _conv(mid_c, out_c)
        parts["project_norm"] = norm(out_c)
        self.branch = Branch(parts)
        self.residual = spec.residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.residual else out


class Classifier(nn.Module):
    """Global average pooling and a linear layer: (N, C, H, W) to logits (N, classes)."""

    def __init__(self, spec: LayerSpec, norm: Norm) -> None:
        super().__init__()
        self.linear = nn.Linear(spec.in_shape[2], spec.out_shape[2])

    def forward(self, x: Tensor) -> Tensor:
        # Kept dimensions let a channels-last runtime pool without transposing first.
        logits: Tensor = self.linear(x.mean((2, 3), keepdim=True).flatten(1))
        return logits


_BUILDERS: dict[str, Callable[[LayerSpec, Norm], nn.Module]] = {
    "conv": ConvBlock,
    "mbconv": MBConv,
    "classifier": Classifier,
}


def build_layer(spec: LayerSpec, norm: Norm = running_norm) -> nn.Module:
    """The module that computes `spec`.

    Raises:
        NotImplementedError: a layer kind that only published tables know (squeeze-and-excite, avgpool).
    """
    if spec.op not in _BUILDERS or spec.se:
        raise NotImplementedError(f"no torch module for the layer {spec}")
    return _BUILDERS[spec.op](spec, norm)


def initialise(module: nn.Module) -> None:
    """He initialisation for convolutions, small normal for the classifier (both as MobileNetV2)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)
