"""What several tests need."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from latency.table import LatencyTable, Row, SpaceInfo
from latency.tables import load_table
from latency.writers.graph import Array, Weights
from proxyless.data import ImageData, Split, make_data
from proxyless.nn import MixedLayer, SuperNet, build_network
from proxyless.space import Architecture, Decision, LayerSpec, Shape, Slot, Space, layer_cost, tiny_fixed
from proxyless.space.bounds import Bound, latency_bound
from proxyless.space.build import build
from proxyless.space.definition import Definition, Fixed, Head, Operation, Stage, Stem
from proxyless.space.mbconvs import mbconvs

SHARED = Path(__file__).parents[2] / "shared" / "data"

NO_BUDGET = "10000ms"
"""Every network keeps it, however busy the machine is."""


def architecture(ops: str, space: Space | None = None) -> Architecture:
    return Architecture(space or tiny_fixed(), tuple(ops.split()))


MIXED_OPS = "k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6"
"""A network of `tiny` with every kernel, both expansions, both strides and skips."""


EVERY_OPERATOR = [
    LayerSpec("conv", (16, 16, 3), (8, 8, 16), 3, stride=2, act="h_swish"),
    LayerSpec("conv", (8, 8, 16), (8, 8, 16), 3, act="relu6"),
    LayerSpec("mbconv", (8, 8, 16), (8, 8, 16), 3, 3, residual=True, act="h_swish", se=16),
    LayerSpec("mbconv", (8, 8, 16), (8, 8, 16), 5, 2.5, residual=True, act="swish", se=8),
    LayerSpec("mbconv", (8, 8, 16), (4, 4, 24), 5, 3, stride=2, act="relu", se=16, groups=2),
    LayerSpec("fused_mbconv", (4, 4, 24), (4, 4, 24), 3, 2, residual=True, act="swish"),
    LayerSpec("fused_mbconv", (4, 4, 24), (4, 4, 32), 3, act="relu"),
    LayerSpec("depthwise_separable", (4, 4, 32), (4, 4, 32), 3, residual=True, act="relu6", se=8),
    LayerSpec("pool_mean", (4, 4, 32), (4, 4, 32), 3),
    LayerSpec("relu_conv", (4, 4, 32), (4, 4, 32), 3, act="relu"),
    LayerSpec("pool_max", (4, 4, 32), (2, 2, 32), 3, stride=2),
    LayerSpec("mbconv_expanded", (2, 2, 32), (2, 2, 32), 3, 1, residual=True),
    LayerSpec("mbconv_projected", (2, 2, 32), (2, 2, 24), 3, 2),
    LayerSpec("wide_classifier", (2, 2, 24), (1, 1, 10), expand=2, act="h_swish"),
]
"""A network with every operator but other heads, every activation, with squeeze-and-excite, groups and a fraction."""


def kernel_and_expand(op: str) -> tuple[int, int]:
    """Of `kKeE`; of the skip, zeros."""
    match = re.fullmatch(r"k(\d+)e(\d+)", op)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def mbconv_layer(in_shape: Shape, out_shape: Shape, ops: Sequence[str]) -> MixedLayer:
    """A searched layer of inverted bottlenecks by their names."""
    specs = tuple(LayerSpec("mbconv", in_shape, out_shape, *kernel_and_expand(op)) for op in ops)
    return MixedLayer(Slot((0,), (len(ops),), specs), [Decision("block", tuple(ops))])


def searched_layers(net: SuperNet) -> list[MixedLayer]:
    """Those whose operation is chosen, in order."""
    layers = [layer for layer in net.layers if isinstance(layer, MixedLayer)]
    return [layer for layer in layers if layer.decision is not None]


def input_shape(layer: MixedLayer) -> tuple[int, int, int]:
    """Channels, height, width of the largest input."""
    height, width, channels = layer.slot.layers[-1].in_shape
    return channels, height, width


def all_weighted(net: SuperNet, images: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """The reference for gates and mixtures of a space without other decisions: every operation in the graph."""
    x, rows = images, iter(weights)
    for layer in net.layers:
        assert isinstance(layer, MixedLayer)
        if layer.decision is None:
            x = layer.compute([0] * len(weights), x)
            continue
        row = next(rows)
        outputs = [layer.candidates[str(j)](x) if str(j) in layer.candidates else x for j in range(len(row))]
        x = torch.stack([weight * y for weight, y in zip(row, outputs, strict=True)]).sum(0)
    return x


def randomise(network: nn.Module) -> nn.Module:
    """Give every BatchNorm and classifier values that a test would notice if they were lost."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return network


def deployable(layers: Sequence[LayerSpec]) -> nn.Module:
    """A random network whose running statistics are those of random images, so that its output depends on its input."""
    torch.manual_seed(0)
    network = randomise(build_network(layers))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # average over all batches
    with torch.no_grad():
        for seed in range(4):
            network(torch.from_numpy(random_images(32, layers[0].in_shape[0], seed)))
    return network.eval()


def folded_weights(network: nn.Module) -> Weights:
    """The network's convolutions with BatchNorm folded by the textbook formula, and its linear layer, in order."""
    pairs = _folded(network)

    def draw(shape: tuple[int, ...]) -> tuple[Array, Array]:
        weight, bias = next(pairs)
        assert weight.shape == shape
        return weight, bias

    return draw


def _folded(network: nn.Module) -> Iterator[tuple[Array, Array]]:
    modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    for module, norm in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, nn.Linear | nn.Conv2d) and not isinstance(norm, nn.BatchNorm2d):
            bias = torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach()
            yield module.weight.detach().numpy(), bias.numpy()
        elif isinstance(module, nn.Conv2d):
            assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            bias = norm.bias - norm.running_mean * scale
            yield (module.weight * scale[:, None, None, None]).detach().numpy(), bias.detach().numpy()


def toy_space(
    stages: Sequence[tuple[int, int, int]] = ((8, 1, 1), (12, 2, 2)), width: int = 8, num_classes: int = 2
) -> Space:
    """A space for images of 8x8 pixels. stages: width, depth and stride of each. width: of what comes before them."""
    definition = Definition(
        name="toy",
        resolution=8,
        num_classes=num_classes,
        stem=Stem(width=width, stride=1),
        fixed=[Fixed(width=width)],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=width, depth=depth, stride=stride) for width, depth, stride in stages],
        head=Head(width=2 * width),
    )
    return build(definition, {})


def elastic_space() -> Space:
    """384 networks: resolution, widths, a depth, one operation for two blocks, and single operations with skips."""
    ops = {"k3": Operation(kernel=3, expand=2), "k5": Operation(kernel=5, expand=3)}
    definition = Definition(
        name="elastic",
        resolution=[8, 16],
        num_classes=3,
        stem=Stem(width=[4, 8], stride=1),
        ops=ops,
        stages=[
            Stage(width=[8, 12], depth=[1, 2], stride=2, shared=True),
            Stage(width=[8, 16], depth=2, se=0.25),
        ],
        head=Head(width=16),
    )
    return build(definition, {})


def every_path(space: Space) -> list[tuple[int, ...]]:
    """All combinations of choices."""
    return list(itertools.product(*map(range, space.sizes)))


def bound_at(space: Space, share: float) -> Bound:
    """A bound on milliseconds by `table_by_macs`: at 0 the fastest network keeps it, at 1 all do."""
    costs = table_by_macs(space).costs(space)
    return latency_bound(costs, costs.min_ms + share * (costs.max_ms - costs.min_ms))


def table_by_macs(space: Space, ms_per_mmac: float = 1.0) -> LatencyTable:
    """A table in which a layer costs as many milliseconds as it has million multiply-accumulates."""

    def row(spec: LayerSpec) -> Row:
        return Row.of(spec, ms=ms_per_mmac * layer_cost(spec).macs / 1e6, source="measured")

    pixel1 = load_table("pixel1")
    return pixel1.changed(
        space=SpaceInfo.of(space),
        fixed=[row(spec) for spec in dict.fromkeys(space.fixed)],
        rows=[row(spec) for spec in space.specs() if spec not in space.fixed],
    )


def toy_data(count: int = 120, classes: int = 2, resolution: int = 16) -> ImageData:
    """Bright and dark noise: learnable in a few steps."""
    generator = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        labels = torch.arange(size) % classes
        noise = torch.randint(0, 100, (size, 3, resolution, resolution), generator=generator)
        return Split((noise + 150 * labels[:, None, None, None] // classes).to(torch.uint8), labels)

    return make_data("synthetic:toy", split(count), split(count // 2), [str(i) for i in range(classes)], "none")


def one_hot(index: int, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(index), count).double()


def saved_bytes(storages: Sequence[torch.Tensor]) -> int:
    """Bytes of distinct storages."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in storages}.values())


def random_images(count: int, resolution: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 3, resolution, resolution)).astype(np.float32)
