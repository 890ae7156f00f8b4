"""Peak memory of activations while a network runs, and the part of a space that keeps within a limit.

A runtime that reuses buffers needs, at its worst moment, what the operator that is running reads and writes,
and the input of the block where a shortcut still waits for it (Lin et al., "MCUNet", NeurIPS 2020). Weights
are not counted, activations act in place. The peak of a network is the largest peak of its layers: a network
keeps a limit exactly when every one of its operations does.
"""

from dataclasses import replace
from math import prod

from proxyless.errors import InputError
from proxyless.space.space import Layer, Space
from proxyless.space.spec import LayerSpec

_FLOAT32_BYTES = 4


def peak_values(spec: LayerSpec) -> int:
    """Activation values that are alive at once while the layer computes one image."""
    inputs, outputs = prod(spec.in_shape), prod(spec.out_shape)
    if spec.op != "mbconv":
        return inputs + outputs
    waiting = inputs if spec.residual else 0
    wide_in = spec.in_shape[0] * spec.in_shape[1] * spec.mid_channels
    wide_out = spec.out_shape[0] * spec.out_shape[1] * spec.mid_channels
    if spec.expand == 1:  # the depthwise convolution reads the block's input itself
        return max(inputs + wide_out, waiting + wide_out + outputs)
    return max(inputs + wide_in, waiting + wide_in + wide_out, waiting + wide_out + outputs)


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
    kept = tuple(op for index, op in enumerate(layer.ops) if _peak(layer, index) <= values)
    return replace(layer, ops=kept)


def _least(layer: Layer) -> int:
    return min(_peak(layer, index) for index in range(len(layer.ops)))
