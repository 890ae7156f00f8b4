"""A space of bottlenecks."""

from proxyless.space import Space
from proxyless.space.build import build
from proxyless.space.definition import Definition, Head, Operation, Stage, Stem


def bottlenecks(resolution: int = 32, num_classes: int = 10, width_mult: float = 1.0) -> Space:
    """Kernel 3 or 5, an inner width of a quarter or a half; or the block that is a torch module."""
    ops = {
        f"k{kernel}e{expand:g}": Operation(op="bottleneck", kernel=kernel, expand=expand)
        for expand in (0.25, 0.5)
        for kernel in (3, 5)
    }
    ops["partial"] = Operation(op="partial", expand=2)
    definition = Definition(
        name="bottlenecks",
        resolution=resolution,
        num_classes=num_classes,
        act="relu",
        stem=Stem(width=16),
        ops=ops,
        stages=[Stage(width=32, depth=2, stride=2), Stage(width=64, depth=2, stride=2)],
        head=Head(width=128),
    )
    args = {"resolution": resolution, "num_classes": num_classes, "width_mult": width_mult}
    return build(definition, args, width_mult)
