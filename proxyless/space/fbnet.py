"""The space of FBNet (Wu et al., CVPR 2019): 22 layers, nine operations with groups."""

from proxyless.space.build import build
from proxyless.space.definition import Definition, Head, Numbers, Operation, Stage, Stem
from proxyless.space.space import Space

_WIDTHS, _DEPTHS = (16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_SIZES = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))
"""Kernel, expansion, groups."""


def fbnet(
    resolution: Numbers = 224,
    num_classes: int = 1000,
    stem_stride: int = 2,
    second_stride: int = 2,
    head_width: int = 1984,
    width_mult: float = 1.0,
) -> Space:
    """22 searched blocks: kernel 3, 5; expansion 1, 3, 6; two groups at expansion 1; skip, or a 1x1 convolution where
    the shape changes.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    stem_stride, second_stride: of the stem and of the second stage; both 1, and head_width 1504, for CIFAR.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.

    Raises:
        InputError: an argument out of range.
    """
    ops = {
        f"k{kernel}e{expand}" + f"g{groups}" * (groups > 1): Operation(
            op="mbconv_expanded", kernel=kernel, expand=expand, groups=groups
        )
        for kernel, expand, groups in _SIZES
    }
    strides = (_STRIDES[0], second_stride, *_STRIDES[2:])
    changing = {"conv": Operation(op="conv", kernel=1)}
    shapes = zip(_WIDTHS, _DEPTHS, strides, strict=True)
    definition = Definition(
        name="fbnet",
        resolution=resolution,
        num_classes=num_classes,
        act="relu",
        stem=Stem(width=16, stride=stem_stride),
        ops=ops,
        stages=[Stage(width=width, depth=depth, stride=stride, changing=changing) for width, depth, stride in shapes],
        head=Head(width=head_width),
    )
    args = {
        "resolution": resolution,
        "num_classes": num_classes,
        "stem_stride": stem_stride,
        "second_stride": second_stride,
        "head_width": head_width,
        "width_mult": width_mult,
    }
    return build(definition, args, width_mult)
