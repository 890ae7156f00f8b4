"""Torch modules of layers, made from their primitives. Activations are (N, C, H, W)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu6

from proxyless.nn.depthwise import CASES, DepthwiseConv
from proxyless.nn.parts import compute_part
from proxyless.ops import (
    Act,
    Add,
    Affine,
    Concat,
    Conv,
    Elementary,
    Flatten,
    GlobalPool,
    LayerSpec,
    Linear,
    Mul,
    Node,
    Pool,
    Shuffle,
    Slice,
    lower_layer,
)

Norm = Callable[[int], nn.Module]
"""Makes a normalisation layer for a number of channels."""


class HardSigmoid(nn.Module):
    """PyTorch's own cannot be differentiated twice."""

    def forward(self, x: Tensor) -> Tensor:
        return relu6(x + 3) / 6


_ACTIVATIONS: dict[Elementary, Callable[[bool], nn.Module]] = {
    "relu6": nn.ReLU6,
    "relu": nn.ReLU,
    "h_swish": nn.Hardswish,
    "swish": nn.SiLU,
    "h_sigmoid": lambda inplace: HardSigmoid(),
    "sigmoid": lambda inplace: nn.Sigmoid(),
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


class Block(nn.Module):
    """One layer. branch: all of it but the sum with its input, where `residual` says that there is one."""

    def __init__(self, spec: LayerSpec, norm: Norm) -> None:
        super().__init__()
        lowered = lower_layer(spec)
        self.residual = lowered.residual
        self.branch = Branch(lowered.branch, norm)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.residual else out

    def part(self, x: Tensor, spec: LayerSpec) -> Tensor:
        """A smaller layer of the same kind, computed by parts of the weights: the first channels, the centres of the
        kernels (Cai et al., "Once-for-All", ICLR 2020)."""
        out = self.part_of_branch(x, spec)
        return x + out if spec.residual else out

    def part_of_branch(self, x: Tensor, spec: LayerSpec) -> Tensor:
        return self.branch.part(x, lower_layer(spec).branch)


class _Step(NamedTuple):
    """parts: names of modules, one after another; computes: or a function, from the tensors with the numbers `sources`.
    unused: tensors that nothing needs afterwards."""

    parts: tuple[str, ...]
    computes: Callable[..., Tensor] | None
    sources: tuple[int, ...]
    unused: tuple[int, ...]


class Branch(nn.Module):
    """Nodes one after another. A convolution `x` has its weights in `x`, its BatchNorm in `x_norm`."""

    def __init__(self, nodes: Sequence[Node], norm: Norm) -> None:
        super().__init__()
        last_use = {source: number for number, node in enumerate(nodes) for source in node.sources}
        self._steps = []
        for number, node in enumerate(nodes):
            parts: list[tuple[str, nn.Module]] = []
            if isinstance(node, Conv | Linear):
                parts, computes = _parts(node, norm), None
            else:
                computes = _without_weights(node)
            for name, part in parts:
                self.add_module(name, part)
            unused = tuple(tensor for tensor in node.sources if last_use[tensor] == number)
            self._steps.append(_Step(tuple(name for name, _ in parts), computes, node.sources, unused))

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, self._whole)

    def part(self, x: Tensor, nodes: Sequence[Node]) -> Tensor:
        """The same with fewer channels, or smaller kernels, as the nodes say: as many, of the same kinds."""
        return self._run(x, partial(self._in_part, nodes))

    def _run(self, x: Tensor, compute: Callable[[int, Tensor], Tensor]) -> Tensor:
        """compute: what has weights, by the number of the node."""
        tensors: list[Tensor | None] = [x]
        for number, step in enumerate(self._steps):
            inputs = [made for source in step.sources if (made := tensors[source]) is not None]
            made = step.computes(*inputs) if step.computes else compute(number, inputs[0])
            for tensor in step.unused:
                tensors[tensor] = None
            tensors.append(made)
        out = tensors[-1]
        assert out is not None
        return out

    def _whole(self, number: int, x: Tensor) -> Tensor:
        for name in self._steps[number].parts:
            x = getattr(self, name)(x)
        return x

    def _in_part(self, nodes: Sequence[Node], number: int, x: Tensor) -> Tensor:
        node = nodes[number]
        assert isinstance(node, Conv | Linear)
        for name in self._steps[number].parts:
            x = compute_part(getattr(self, name), node, x)
        return x


def _parts(node: Conv | Linear, norm: Norm) -> list[tuple[str, nn.Module]]:
    """The modules of a node by name, in order. The activation is in place: what it acts on was made for it."""
    if isinstance(node, Linear):
        parts: list[tuple[str, nn.Module]] = [(node.name, nn.Linear(node.in_channels, node.out_channels))]
    else:
        parts = [(node.name, _convolution(node))]
        parts += [(f"{node.name}_norm", norm(node.out_channels))] if node.norm else []
    return parts if node.act == "none" else [*parts, (f"{node.name}_act", _ACTIVATIONS[node.act](True))]


def _without_weights(
    node: Act | Affine | GlobalPool | Flatten | Pool | Shuffle | Slice | Add | Mul | Concat,
) -> Callable[..., Tensor]:
    match node:
        case Act():
            return _ACTIVATIONS[node.act](False)
        case Affine():
            return partial(_affine, node.scale, node.shift)
        case GlobalPool():
            # Kept dimensions let a channels-last runtime pool without transposing first.
            return partial(torch.mean, dim=(2, 3), keepdim=True)
        case Flatten():
            return partial(torch.flatten, start_dim=1)
        case Pool():
            return partial(_pool, node)
        case Shuffle():
            return partial(_shuffle, node.groups)
        case Slice() | Concat():
            return partial(_channels, node)
        case Add():
            return torch.add
        case Mul():
            return torch.mul


def _convolution(node: Conv) -> nn.Conv2d:
    if node.depthwise and (node.kernel, node.stride) in CASES and not node.bias:
        return DepthwiseConv(node.in_channels, node.kernel, node.stride)
    padding = node.kernel // 2
    return nn.Conv2d(
        node.in_channels, node.out_channels, node.kernel, node.stride, padding, groups=node.groups, bias=node.bias
    )


def _affine(scale: float, shift: float, x: Tensor) -> Tensor:
    """Exporters write an operator for every step, also for one that changes nothing."""
    x = x if scale == 1 else x * scale
    return x if shift == 0 else x + shift


def _pool(node: Pool, x: Tensor) -> Tensor:
    if node.kind == "max":
        return max_pool2d(x, node.kernel, node.stride, node.padding)
    return avg_pool2d(x, node.kernel, node.stride, node.padding, count_include_pad=False)


def _shuffle(groups: int, x: Tensor) -> Tensor:
    """With the channels last, as mobile runtimes have them: the turns around it vanish in their files."""
    parts = x.permute(0, 2, 3, 1).reshape(x.shape[0], *x.shape[2:], groups, x.shape[1] // groups)
    return parts.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


def _channels(node: Slice | Concat, x: Tensor, *others: Tensor) -> Tensor:
    if isinstance(node, Concat):
        return torch.cat((x, *others), 1)
    size = x.shape[1] // node.parts
    return x[:, node.first * size : node.stop * size]


def build_layer(spec: LayerSpec, norm: Norm = running_norm) -> Block:
    """The module that computes `spec`.

    Raises:
        InputError: no such operator, or shapes that it cannot have.
    """
    return Block(spec, norm)


def initialise(module: nn.Module) -> None:
    """He initialisation for convolutions, small normal for linear layers (both as MobileNetV2)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
