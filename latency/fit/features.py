"""What a layer asks of a processor: the physical quantities that its latency is explained by."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np

from proxyless.space import LayerSpec
from proxyless.space.cost import squeeze_channels


@dataclass(frozen=True)
class Work:
    """The work of one layer for one image.

    pointwise_mmacs, depthwise_mmacs, dense_mmacs: million multiply-accumulates of 1x1 convolutions and linear
    layers, of depthwise convolutions, and of other convolutions. activation_mb: megabytes read and written by
    its operators (float32), weight_mb: of their weights. calls: operators executed.
    """

    pointwise_mmacs: float = 0.0
    depthwise_mmacs: float = 0.0
    dense_mmacs: float = 0.0
    activation_mb: float = 0.0
    weight_mb: float = 0.0
    calls: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


WORK = tuple(field.name for field in fields(Work))
_MB = 4e-6  # a float32 element


def work(spec: LayerSpec) -> Work:
    """The work of a layer."""
    in_h, in_w, in_c = spec.in_shape
    out_h, out_w, out_c = spec.out_shape
    in_area, out_area = in_h * in_w, out_h * out_w
    match spec.op:
        case "conv" if spec.kernel == 1:
            return _pointwise(in_c, out_c, out_area)
        case "conv":
            weights = in_c * out_c * spec.kernel**2
            moved = in_area * in_c + out_area * out_c
            return Work(
                dense_mmacs=weights * out_area / 1e6, activation_mb=moved * _MB, weight_mb=weights * _MB, calls=1
            )
        case "mbconv":
            return _mbconv(spec, in_area, out_area)
        case "avgpool":
            return Work(activation_mb=(in_area * in_c + out_c) * _MB, calls=1)
        case "linear":
            return _pointwise(in_c, out_c, 1)
        case "classifier":
            return Work(activation_mb=(in_area + 1) * in_c * _MB, calls=1) + _pointwise(in_c, out_c, 1)


def _pointwise(in_c: int, out_c: int, area: int) -> Work:
    weights = in_c * out_c
    return Work(weights * area / 1e6, 0, 0, (in_c + out_c) * area * _MB, weights * _MB, 1)


def _mbconv(spec: LayerSpec, in_area: int, out_area: int) -> Work:
    in_c, mid, out_c = spec.in_shape[2], spec.mid_channels, spec.out_shape[2]
    total = _pointwise(in_c, mid, in_area) if spec.expand > 1 else Work()
    taps = mid * spec.kernel**2
    total += Work(0, taps * out_area / 1e6, 0, mid * (in_area + out_area) * _MB, taps * _MB, 1)
    if spec.se:
        squeezed = squeeze_channels(mid)
        total += Work(activation_mb=3 * mid * out_area * _MB, calls=2)
        total += _pointwise(mid, squeezed, 1) + _pointwise(squeezed, mid, 1)
    total += _pointwise(mid, out_c, out_area)
    if spec.residual:
        total += Work(activation_mb=3 * out_c * out_area * _MB, calls=1)
    return total


def work_matrix(specs: Iterable[LayerSpec]) -> np.ndarray:
    """The work of each layer, (layers, len(WORK))."""
    return np.array([astuple(work(spec)) for spec in specs])
