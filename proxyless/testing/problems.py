"""Small problems to search: a space, data, and what networks cost."""

from collections.abc import Sequence
from itertools import product

import torch

from latency.table import LatencyTable, Row, SpaceInfo
from latency.tables import load_table
from proxyless.data import ImageData, Split, make_data
from proxyless.space import LayerSpec, Space, layer_cost
from proxyless.space.bounds import Bound, latency_bound
from proxyless.space.build import build
from proxyless.space.definition import Definition, Fixed, Head, Operation, Stage, Stem
from proxyless.space.mbconvs import mbconvs


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
    return list(product(*map(range, space.sizes)))


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


def with_one_choice(space: Space) -> Space:
    """The space with nothing to choose in its first decision."""
    return space.keeping([[2], *(range(size) for size in space.sizes[1:])])


def toy_data(count: int = 120, classes: int = 2, resolution: int = 16) -> ImageData:
    """Bright and dark noise: learnable in a few steps."""
    generator = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        labels = torch.arange(size) % classes
        noise = torch.randint(0, 100, (size, 3, resolution, resolution), generator=generator)
        return Split((noise + 150 * labels[:, None, None, None] // classes).to(torch.uint8), labels)

    return make_data("synthetic:toy", split(count), split(count // 2), [str(i) for i in range(classes)], "none")
