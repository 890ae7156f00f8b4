"""The mobile idea for 32x32 images, small enough to search on a CPU in minutes."""

from proxyless.space.build import build
from proxyless.space.definition import Definition, Fixed, Head, Stage, Stem
from proxyless.space.mbconvs import mbconvs
from proxyless.space.space import Space

_STAGES = ((24, 2, 2), (40, 3, 1), (64, 3, 2), (96, 1, 1))
"""Width, depth, stride."""


def tiny(resolution: int = 32, num_classes: int = 10, stem_stride: int = 2, width_mult: float = 1.0) -> Space:
    """9 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels. num_classes: outputs of the classifier.
    stem_stride: 2 halves the resolution at once; 1 keeps it, more accurate on detailed images and several
        times slower.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.

    Raises:
        InputError: an argument out of range.
    """
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "stem_stride": stem_stride,
        "width_mult": width_mult,
    }
    definition = Definition(
        name="tiny",
        resolution=resolution,
        num_classes=num_classes,
        stem=Stem(width=16, stride=stem_stride),
        fixed=[Fixed(width=16)],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=width, depth=depth, stride=stride) for width, depth, stride in _STAGES],
        head=Head(width=256),
    )
    return build(definition, args, width_mult)
