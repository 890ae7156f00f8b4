"""Building a space as MobileNetV2 does: stem, one fixed block, stages of searched blocks, head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, Shape
from proxyless.ops.cost import divisible, layer_cost, network_cost
from proxyless.space.space import SKIP, Layer, Space

KERNELS = (3, 5, 7)
EXPANDS = (3, 6)
MBCONVS = {f"k{kernel}e{expand}": (kernel, expand) for expand in EXPANDS for kernel in KERNELS}


@dataclass(frozen=True)
class Stage:
    """width: output channels. depth: searched blocks. stride: of the first block."""

    width: int
    depth: int
    stride: int


def scaled(width: int, width_mult: float) -> int:
    """Channels times the multiplier, a multiple of 8; as they are where it is 1."""
    return width if width_mult == 1.0 else divisible(width * width_mult)


MAX_PARAMS = 10**9
"""Of the largest network of a space: 4 GB as float32."""
MIN_WIDTH_MULT, MAX_WIDTH_MULT = 0.05, 10.0


def check_width_mult(name: str, width_mult: float) -> None:
    """Raise InputError unless every width can be multiplied so."""
    if not MIN_WIDTH_MULT <= width_mult <= MAX_WIDTH_MULT:
        raise InputError(
            f"width_mult of space {name!r} must be from {MIN_WIDTH_MULT:g} to {MAX_WIDTH_MULT:g}, "
            f"got {shown(width_mult)}"
        )


def _after_stride(shape: Shape, stride: int, channels: int) -> Shape:
    return (-(-shape[0] // stride), -(-shape[1] // stride), channels)


def _layer(in_shape: Shape, width: int, stride: int) -> Layer:
    out_shape = _after_stride(in_shape, stride, width)
    residual = stride == 1 and in_shape == out_shape
    choices: dict[str, LayerSpec | None] = {
        name: LayerSpec("mbconv", in_shape, out_shape, kernel, expand, stride, residual)
        for name, (kernel, expand) in MBCONVS.items()
    }
    return Layer.of(in_shape, out_shape, {**choices, SKIP: None} if residual else choices)


def _check(name: str, low: int, high: int, **values: int) -> None:
    for argument, value in values.items():
        if not low <= value <= high:
            raise InputError(f"{argument} of space {name!r} must be from {low} to {high}, got {shown(value)}")


def chain(
    name: str,
    args: Mapping[str, Any],
    *,
    resolution: int,
    num_classes: int,
    stem: tuple[int, int],
    first_width: int,
    stages: Sequence[Stage],
    head_width: int,
) -> Space:
    """Build the space; `stem` is (width, stride) of the 3x3 convolution on the image.

    Raises:
        InputError: an argument outside of what a network can have.
    """
    _check(name, 8, 4096, resolution=resolution)
    _check(name, 1, 100_000, num_classes=num_classes)
    _check(name, 1, 2, stem_stride=stem[1])
    _check(name, 1, 65_536, stem_width=stem[0], first_width=first_width, head_width=head_width)
    image = (resolution, resolution, 3)
    stem_spec = LayerSpec("conv", image, _after_stride(image, stem[1], stem[0]), kernel=3, stride=stem[1])
    first_out = (*stem_spec.out_shape[:2], first_width)
    first_spec = LayerSpec(
        "mbconv", stem_spec.out_shape, first_out, kernel=3, residual=stem_spec.out_shape == first_out
    )
    layers: list[Layer] = []
    shape: Shape = first_spec.out_shape
    for stage in stages:
        _check(name, 1, 65_536, stage_width=stage.width)
        for block in range(stage.depth):
            layers.append(_layer(shape, stage.width, stage.stride if block == 0 else 1))
            shape = layers[-1].out_shape
    mix = LayerSpec("conv", shape, (*shape[:2], head_width), kernel=1)
    classifier = LayerSpec("classifier", mix.out_shape, (1, 1, num_classes), act="none")
    return _check_size(Space(name, dict(args), (stem_spec, first_spec), tuple(layers), (mix, classifier)))


def _check_size(space: Space) -> Space:
    """Widths that are fine one by one may be too much together."""
    searched = ([spec for op in layer.ops if (spec := layer.spec(op))] for layer in space.layers)
    params = network_cost(space.fixed).params + sum(
        max(layer_cost(spec).params for spec in specs) for specs in searched
    )
    if params > MAX_PARAMS:
        raise InputError(
            f"networks of space {space.name!r} would have up to {params:,} parameters with these widths, more than "
            f"{MAX_PARAMS:,}; take smaller widths"
        )
    return space
