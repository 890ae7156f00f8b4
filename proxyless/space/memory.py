"""The part of a space that keeps the peak memory of its activations within a limit.

The peak of a network is the largest peak of its layers: a network keeps a limit exactly when every one of its
operations does.
"""

from dataclasses import replace

from proxyless.errors import InputError
from proxyless.ops import LayerSpec, peak_values
from proxyless.space.space import Layer, Space

_FLOAT32_BYTES = 4


def peak_bytes(layers: list[LayerSpec]) -> int:
    """Peak of float32 activations of a network at batch 1, given as its layers."""
    return max(map(peak_values, layers)) * _FLOAT32_BYTES


def within_memory(space: Space, limit_bytes: float) -> Space:
    """The part of the space whose networks peak at no more than the limit, and all of them: the same layers, fewer ops.

    Raises:
        InputError: no network does.
    """
    fixed = peak_bytes(list(space.fixed))
    layers = tuple(_within(layer, limit_bytes / _FLOAT32_BYTES) for layer in space.layers)
    if fixed > limit_bytes or not all(layer.ops for layer in layers):
        needed = max([fixed, *(_least(layer) * _FLOAT32_BYTES for layer in space.layers)])
        raise InputError(
            f"no network of the space keeps its activations within {limit_bytes / 1e6:.4g} MB; "
            f"ask for at least {needed / 1e6 + 5e-4:.3f} MB"
        )
    return replace(space, layers=layers)


def _peak(layer: Layer, index: int) -> int:
    spec = layer.spec(layer.ops[index])
    return peak_values(spec) if spec else 0


def _within(layer: Layer, values: float) -> Layer:
    return layer.keeping([op for index, op in enumerate(layer.ops) if _peak(layer, index) <= values])


def _least(layer: Layer) -> int:
    return min(_peak(layer, index) for index in range(len(layer.ops)))
