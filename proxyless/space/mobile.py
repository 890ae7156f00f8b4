"""The ProxylessNAS mobile space (Cai, Zhu, Han, ICLR 2019, section 4.2)."""

from collections.abc import Sequence

from proxyless.errors import InputError
from proxyless.space.build import build, chosen_widths
from proxyless.space.definition import Definition, Fixed, Head, Numbers, Stage, Stem
from proxyless.space.mbconvs import mbconvs
from proxyless.space.space import Space

STAGE_WIDTHS = (24, 40, 80, 96, 192, 320)
_DEPTHS = (4, 4, 4, 4, 4, 1)
_STRIDES = (2, 2, 2, 1, 2, 1)


def mobile_fixed(
    resolution: Numbers = 224,
    num_classes: int = 1000,
    width_mult: float = 1.0,
    stem_width: int = 32,
    first_width: int = 16,
    stage_widths: Sequence[int] = STAGE_WIDTHS,
    head_width: int = 1280,
) -> Space:
    """21 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.
    stage_widths: output channels of the six stages; the default is the one that the published
        Pixel 1 latency table covers (the published networks have 32 instead of 24).

    Raises:
        InputError: not six stages, or an argument out of range.
    """
    if len(stage_widths) != len(_DEPTHS):
        raise InputError(f"stage_widths of space 'mobile-fixed' needs {len(_DEPTHS)} widths, got {list(stage_widths)}")
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "width_mult": width_mult,
        "stem_width": stem_width,
        "first_width": first_width,
        "stage_widths": list(stage_widths),
        "head_width": head_width,
    }
    shapes = zip(stage_widths, _DEPTHS, _STRIDES, strict=True)
    definition = Definition(
        name="mobile-fixed",
        resolution=resolution,
        num_classes=num_classes,
        stem=Stem(width=stem_width),
        fixed=[Fixed(width=first_width)],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=width, depth=depth, stride=stride) for width, depth, stride in shapes],
        head=Head(width=head_width),
    )
    return build(definition, args, width_mult)


def mobile(
    resolution: Numbers = 224,
    num_classes: int = 1000,
    width_mult: float = 1.0,
    width_factors: Sequence[float] = (0.75, 1.0, 1.25),
) -> Space:
    """The same blocks, with a width to choose for the stem, the first block and every stage.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.
    width_factors: the same for every width by itself: those that it is chosen from.

    Raises:
        InputError: an argument out of range.
    """
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "width_mult": width_mult,
        "width_factors": list(width_factors),
    }

    def widths(width: int) -> Numbers:
        return chosen_widths("mobile", width, width_factors)

    shapes = zip(STAGE_WIDTHS, _DEPTHS, _STRIDES, strict=True)
    definition = Definition(
        name="mobile",
        resolution=resolution,
        num_classes=num_classes,
        stem=Stem(width=widths(32)),
        fixed=[Fixed(width=widths(16))],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=widths(width), depth=depth, stride=stride) for width, depth, stride in shapes],
        head=Head(width=1280),
    )
    return build(definition, args, width_mult)
