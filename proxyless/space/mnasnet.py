"""The space of MnasNet (Tan et al., CVPR 2019) as Accel-NASBench has measured it (Ahmad et al., DAC 2024).

The blocks of a stage are alike; EfficientNet-B0 is one of its networks.
"""

from itertools import product

from proxyless.space.build import build
from proxyless.space.definition import Definition, Head, Numbers, Operation, Stage, Stem
from proxyless.space.space import Space

_WIDTHS, _STRIDES = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1)
_DEPTHS = (3, 3, 3, 3, 3, 4, 3)
"""Layers of a stage, at most."""
_SQUEEZE = 0.25
"""Of the channels of a block's input, as in EfficientNet (Tan, Le, ICML 2019)."""


def mnasnet(resolution: Numbers = 224, num_classes: int = 1000, width_mult: float = 1.0) -> Space:
    """Seven stages, of each: kernel 3, 5; expansion 1, 4, 6; with squeeze-and-excite or without; one to three layers,
    of the sixth one to four.

    resolution: side of the square input in pixels, or several to choose from. num_classes: outputs of the classifier.
    width_mult: multiplies every width, rounded to multiples of 8; the head never shrinks.

    Raises:
        InputError: an argument out of range.
    """
    ops = {
        f"k{kernel}e{expand}" + "se" * squeezes: Operation(
            kernel=kernel, expand=expand, se=_SQUEEZE * squeezes, se_of="input"
        )
        for squeezes, expand, kernel in product((False, True), (1, 4, 6), (3, 5))
    }
    shapes = zip(_WIDTHS, _DEPTHS, _STRIDES, strict=True)
    definition = Definition(
        name="mnasnet",
        resolution=resolution,
        num_classes=num_classes,
        act="swish",
        stem=Stem(width=32),
        ops=ops,
        stages=[
            Stage(width=width, depth=list(range(1, deepest + 1)), stride=stride, shared=True)
            for width, deepest, stride in shapes
        ],
        head=Head(width=1280),
    )
    args = {"resolution": resolution, "num_classes": num_classes, "width_mult": width_mult}
    return build(definition, args, width_mult)
