"""The mobile idea for 32x32 images, small enough to search on a CPU in minutes."""

from proxyless.space.chain import Stage, chain
from proxyless.space.space import Space


def tiny(resolution: int = 32, num_classes: int = 10) -> Space:
    """9 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels. num_classes: outputs of the classifier.

    Raises:
        InputError: an argument out of range.
    """
    return chain(
        "tiny",
        {"resolution": resolution, "num_classes": num_classes},
        resolution=resolution,
        num_classes=num_classes,
        stem=(16, 1),
        first_width=12,
        stages=[Stage(20, 2, 2), Stage(32, 3, 2), Stage(48, 3, 1), Stage(80, 1, 2)],
        head_width=240,
    )
