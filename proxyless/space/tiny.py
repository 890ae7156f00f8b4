"""The mobile idea for 32x32 images, small enough to search on a CPU in minutes."""

from proxyless.space.chain import Stage, chain, check_width_mult, scaled
from proxyless.space.space import Space

_WIDTHS, _DEPTHS, _STRIDES = (24, 40, 64, 96), (2, 3, 3, 1), (2, 1, 2, 1)


def tiny(resolution: int = 32, num_classes: int = 10, stem_stride: int = 2, width_mult: float = 1.0) -> Space:
    """9 searched inverted bottlenecks: kernel 3, 5, 7; expansion 3, 6; skip where the shape is kept.

    resolution: side of the square input in pixels. num_classes: outputs of the classifier.
    stem_stride: 2 halves the resolution at once; 1 keeps it, more accurate on detailed images and several
        times slower.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.

    Raises:
        InputError: an argument out of range.
    """
    check_width_mult("tiny", width_mult)
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "stem_stride": stem_stride,
        "width_mult": width_mult,
    }
    shapes = zip(_WIDTHS, _DEPTHS, _STRIDES, strict=True)
    return chain(
        "tiny",
        args,
        resolution=resolution,
        num_classes=num_classes,
        stem=(scaled(16, width_mult), stem_stride),
        first_width=scaled(16, width_mult),
        stages=[Stage(scaled(width, width_mult), depth, stride) for width, depth, stride in shapes],
        head_width=scaled(256, max(1.0, width_mult)),
    )
