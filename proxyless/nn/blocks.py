"""Torch modules of layers, made from their primitives. Activations are (N, C, H, W)."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu6

from proxyless import ops
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
    Weightless,
    lower_layer,
)

Norm = Callable[[int], nn.Module]
"""Makes a normalisation layer for a number of channels."""


class HardSigmoid(nn.Module):
    """PyTorch's own cannot be differentiated twice."""

    def forward(self, x: Tensor) -> Tensor:
        return relu6(x + 3) / 6


_Weighted = Conv | Linear | ops.Norm
_WITH_WEIGHTS = (Conv, Linear, ops.Norm)

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
    """One layer. branch: all of it but the sum with its input, where `residual` says that there is one.

    others: further layers that `part` will be asked for; it has the weights of all, by the names of their nodes.
    """

    def __init__(self, spec: LayerSpec, norm: Norm, others: Iterable[LayerSpec] = ()) -> None:
        super().__init__()
        lowered = lower_layer(spec)
        self.residual = lowered.residual
        self.branch = Branch(lowered.branch, norm, (node for other in others for node in lower_layer(other).nodes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.residual else out

    def part(self, x: Tensor, spec: LayerSpec) -> Tensor:
        """A smaller layer of the same kind, computed by parts of the weights: the first channels, the centres of the
        kernels (Cai et al., "Once-for-All", ICLR 2020)."""
        out = self.part_of_branch(x, spec)
        return x + out if spec.residual else out

    def part_of_branch(self, x: Tensor, spec: LayerSpec) -> Tensor:
        return self.branch.part(x, _layer_steps(spec))


class _Step(NamedTuple):
    """parts: names of modules, one after another; computes: or a function, from the tensors with the numbers `sources`.
    unused: tensors that nothing needs afterwards."""

    node: Node
    parts: tuple[str, ...]
    computes: Callable[..., Tensor] | None
    sources: tuple[int, ...]
    unused: tuple[int, ...]


class Branch(nn.Module):
    """Nodes one after another. A convolution `x` has its weights in `x`, its BatchNorm in `x_norm`.

    others: further nodes with weights, of which each name's largest is kept.
    """

    def __init__(self, nodes: Sequence[Node], norm: Norm, others: Iterable[Node] = ()) -> None:
        super().__init__()
        self._steps = _steps(nodes)
        for node in _largest([*nodes, *others]):
            for name, part in _parts(node, norm):
                self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return _run(x, self._steps, self._whole)

    def part(self, x: Tensor, steps: Sequence[_Step]) -> Tensor:
        """What other steps say, with as much of the weights of their names as they ask for."""
        return _run(x, steps, self._in_part)

    def _whole(self, step: _Step, x: Tensor) -> Tensor:
        for name in step.parts:
            x = getattr(self, name)(x)
        return x

    def _in_part(self, step: _Step, x: Tensor) -> Tensor:
        node = step.node
        assert isinstance(node, _WITH_WEIGHTS)
        for name in step.parts:
            x = compute_part(getattr(self, name), node, x)
        return x


@cache
def _layer_steps(spec: LayerSpec) -> tuple[_Step, ...]:
    """Of the branch of a layer; remembered, because every step of a search asks for it."""
    return _steps(lower_layer(spec).branch)


def _steps(nodes: Sequence[Node]) -> tuple[_Step, ...]:
    last_use = {source: number for number, node in enumerate(nodes) for source in node.sources}
    steps = []
    for number, node in enumerate(nodes):
        names, computes = _names(node), None if isinstance(node, _WITH_WEIGHTS) else _without_weights(node)
        unused = tuple(tensor for tensor in node.sources if last_use[tensor] == number)
        steps.append(_Step(node, names, computes, node.sources, unused))
    return tuple(steps)


def _run(x: Tensor, steps: Sequence[_Step], compute: Callable[[_Step, Tensor], Tensor]) -> Tensor:
    """compute: what has weights."""
    tensors: list[Tensor | None] = [x]
    for step in steps:
        inputs = [made for source in step.sources if (made := tensors[source]) is not None]
        made = step.computes(*inputs) if step.computes else compute(step, inputs[0])
        for tensor in step.unused:
            tensors[tensor] = None
        tensors.append(made)
    out = tensors[-1]
    assert out is not None
    return out


def _largest(nodes: Iterable[Node]) -> list[_Weighted]:
    """Of every name the node with the most weights, in order of first use."""
    found: dict[str, _Weighted] = {}
    for node in nodes:
        if isinstance(node, _WITH_WEIGHTS) and (node.name not in found or node.weights > found[node.name].weights):
            found[node.name] = node
    return list(found.values())


def _names(node: Node) -> tuple[str, ...]:
    """Of the modules of a node, in order; of one without weights, none."""
    if not isinstance(node, _WITH_WEIGHTS):
        return ()
    names = [node.name]
    names += [f"{node.name}_norm"] if isinstance(node, Conv) and node.norm else []
    return tuple(names if node.act == "none" else [*names, f"{node.name}_act"])


def _parts(node: _Weighted, norm: Norm) -> Iterable[tuple[str, nn.Module]]:
    """The modules of a node by name, in order. The activation is in place: what it acts on was made for it."""
    modules = [_with_weights(node, norm)]
    modules += [norm(node.out_channels)] if isinstance(node, Conv) and node.norm else []
    return zip(_names(node), modules if node.act == "none" else [*modules, _ACTIVATIONS[node.act](True)], strict=True)


def _with_weights(node: _Weighted, norm: Norm) -> nn.Module:
    match node:
        case Linear():
            return nn.Linear(node.in_channels, node.out_channels)
        case Conv():
            return _convolution(node)
        case ops.Norm():
            return norm(node.out_channels)


def _without_weights(node: Weightless) -> Callable[..., Tensor]:
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


def build_layer(spec: LayerSpec, norm: Norm = running_norm, others: Iterable[LayerSpec] = ()) -> Block:
    """The module that computes `spec`, and has the weights of `others`, too.

    Raises:
        InputError: no such operator, or shapes that it cannot have.
    """
    return Block(spec, norm, others)


def initialise(module: nn.Module) -> None:
    """He initialisation for convolutions, small normal for linear layers (both as MobileNetV2)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
