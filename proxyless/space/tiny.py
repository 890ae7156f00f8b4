"""The mobile idea for 32x32 images, small enough to search on a CPU in minutes."""

from proxyless.space.chain import Stage, chain
from proxyless.space.space import Space


def tiny(resolution: int = 32, num_classes: int = 10, stem_stride: int = 2) -> Space:
    """9 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels. num_classes: outputs of the classifier.
    stem_stride: 2 halves the resolution at once; 1 keeps it, more accurate on detailed images and several
        times slower.

    Raises:
        InputError: an argument out of range.
    """
    return chain(
        "tiny",
        {"resolution": resolution, "num_classes": num_classes, "stem_stride": stem_stride},
        resolution=resolution,
        num_classes=num_classes,
        stem=(16, stem_stride),
        first_width=16,
        stages=[Stage(24, 2, 2), Stage(40, 3, 1), Stage(64, 3, 2), Stage(96, 1, 1)],
        head_width=256,
    )
