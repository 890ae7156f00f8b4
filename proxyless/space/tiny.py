"""The mobile idea for 32x32 images, small enough to search on a CPU in minutes."""

from collections.abc import Sequence
from typing import Any

from proxyless.space.build import build, chosen_widths
from proxyless.space.definition import Definition, Fixed, Head, Numbers, Stage, Stem
from proxyless.space.mbconvs import mbconvs
from proxyless.space.space import Space

_STAGES = ((24, 2, 2), (40, 3, 1), (64, 3, 2), (96, 1, 1))
"""Width, depth, stride."""


def tiny(
    resolution: Numbers = 32,
    num_classes: int = 10,
    stem_stride: int = 2,
    width_mult: float = 1.0,
    width_factors: Sequence[float] = (0.5, 1.0, 1.5),
) -> Space:
    """9 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept; and the width of
    the stem and of every stage.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    stem_stride: 2 halves the resolution at once; 1 keeps it, more accurate on detailed images and several
        times slower.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.
    width_factors: the same for every width by itself: those that it is chosen from.

    Raises:
        InputError: an argument out of range.
    """
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "stem_stride": stem_stride,
        "width_mult": width_mult,
        "width_factors": list(width_factors),
    }

    return _build("tiny", args, resolution, num_classes, stem_stride, width_mult, width_factors)


def tiny_fixed(resolution: Numbers = 32, num_classes: int = 10, stem_stride: int = 2, width_mult: float = 1.0) -> Space:
    """The same with the width of `width_mult` everywhere, and no other.

    Raises:
        InputError: an argument out of range.
    """
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "stem_stride": stem_stride,
        "width_mult": width_mult,
    }
    return _build("tiny-fixed", args, resolution, num_classes, stem_stride, width_mult, (1.0,))


def _build(
    name: str,
    args: dict[str, Any],
    resolution: Numbers,
    num_classes: int,
    stem_stride: int,
    width_mult: float,
    factors: Sequence[float],
) -> Space:
    def widths(width: int) -> Numbers:
        return chosen_widths(name, width, factors)

    definition = Definition(
        name=name,
        resolution=resolution,
        num_classes=num_classes,
        stem=Stem(width=widths(16), stride=stem_stride),
        fixed=[Fixed()],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=widths(width), depth=depth, stride=stride) for width, depth, stride in _STAGES],
        head=Head(width=256),
    )
    return build(definition, args, width_mult)
