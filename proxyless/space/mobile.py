"""The ProxylessNAS mobile space (Cai, Zhu, Han, ICLR 2019, section 4.2)."""

from collections.abc import Sequence

from proxyless.errors import InputError
from proxyless.space.build import build
from proxyless.space.definition import Definition, Fixed, Head, Stage, Stem
from proxyless.space.mbconvs import mbconvs
from proxyless.space.space import Space

_DEPTHS = (4, 4, 4, 4, 4, 1)
_STRIDES = (2, 2, 2, 1, 2, 1)


def mobile(
    resolution: int = 224,
    num_classes: int = 1000,
    width_mult: float = 1.0,
    stem_width: int = 32,
    first_width: int = 16,
    stage_widths: Sequence[int] = (24, 40, 80, 96, 192, 320),
    head_width: int = 1280,
) -> Space:
    """21 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels. num_classes: outputs of the classifier.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.
    stage_widths: output channels of the six stages; the default is the one that the published
        Pixel 1 latency table covers (the published networks have 32 instead of 24).

    Raises:
        InputError: not six stages, or an argument out of range.
    """
    if len(stage_widths) != len(_DEPTHS):
        raise InputError(f"stage_widths of space 'mobile' needs {len(_DEPTHS)} widths, got {list(stage_widths)}")
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
        name="mobile",
        resolution=resolution,
        num_classes=num_classes,
        stem=Stem(width=stem_width),
        fixed=[Fixed(width=first_width)],
        ops=mbconvs((3, 5, 7), (3, 6)),
        stages=[Stage(width=width, depth=depth, stride=stride) for width, depth, stride in shapes],
        head=Head(width=head_width),
    )
    return build(definition, args, width_mult)
