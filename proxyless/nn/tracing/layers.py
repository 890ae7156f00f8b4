"""Convolutions, linear layers, BatchNorm and activations of a recorded module."""

from collections.abc import Callable, Sequence
from typing import Any

from proxyless.nn.tracing.recorded import Call
from proxyless.nn.tracing.written import NORMS, Value, Writer, unknown

_ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "hardswish": "h_swish",
    "silu": "swish",
    "hardsigmoid": "h_sigmoid",
    "sigmoid": "sigmoid",
}
_BOUNDED = {"hardtanh": ("min_val", "max_val"), "clamp": ("min", "max"), "clamp_min": ("min", ""), "leaky_relu": ()}
"""Those that are an activation with some arguments: the names of these."""
_LIMITS: dict[tuple[float | None, ...], str] = {(0, 6): "relu6", (0, None): "relu"}


def _convolution(writer: Writer, call: Call) -> None:
    given = call.inputs
    _, _, *kernel = writer.recorded.shapes[given["weight"]]
    source = writer.image(given["input"], call)
    if len(kernel) != 2 or given["transposed"] or set(given["dilation"]) != {1}:
        raise unknown(call, "of another kind than Conv2d without dilation")
    side, stride = one(kernel, call), one(given["stride"], call)
    if set(given["padding"]) != {side // 2}:
        raise unknown(call, f"with padding {given['padding']} instead of kernel_size // 2 = {side // 2}")
    shape = {"kernel": side, "stride": stride, "groups": given["groups"]}
    _weighted(writer, call, source, (given["weight"], given["bias"]), shape)


def _linear(writer: Writer, call: Call) -> None:
    """On one pixel, where it is a convolution of 1x1."""
    given = call.inputs
    sources = {
        "addmm": ("mat1", "mat2", "self"),
        "mm": ("self", "mat2", ""),
        "linear": ("input", "weight", "bias"),
    }[call.op]
    source, weight, bias = (given.get(name) for name in sources)
    value = writer.value(source, call)
    if value.form != "flat" or given.get("alpha", 1) != 1 or given.get("beta", 1) != 1:
        raise unknown(call, "on more than one pixel")
    _weighted(writer, call, value.tensor, (weight, bias), {}, flat=True)


def _weighted(
    writer: Writer, call: Call, source: int, weights: tuple[Any, Any], shape: dict[str, int], flat: bool = False
) -> None:
    """A convolution with the BatchNorm and the activation that follow."""
    name, end, act = writer.name(*weights, call), call.outputs[0], None
    channels = writer.recorded.shapes[end][1]
    if norm := writer.following(end, NORMS):
        writer.norm(name, norm)
        end = writer.merge(norm)
    if (following := writer.following(end, {*_ACTIVATIONS, *_BOUNDED})) and (act := _activation(following)):
        end = writer.merge(following)
    made = writer.chain.conv(
        name, source, channels, **shape, act=act or "none", norm=bool(norm), bias=weights[1] is not None
    )
    writer.values[end] = Value(made, "flat" if flat else "map")


def _activation(call: Call) -> str | None:
    """The name of an activation; None for one that we have not."""
    if call.op == "leaky_relu":
        return "leaky_relu" if call.inputs["negative_slope"] == 0.01 else None
    if call.op in _BOUNDED:
        return _LIMITS.get(tuple(call.inputs.get(name) for name in _BOUNDED[call.op]))
    return _ACTIVATIONS[call.op]


def _act(writer: Writer, call: Call) -> None:
    value, name = writer.value(call.inputs["self"], call), _activation(call)
    if name is None:
        raise unknown(call, "with such numbers")
    writer.keep(call, writer.chain.act(value.tensor, name), value.form, value.groups)


def _norm(writer: Writer, call: Call) -> None:
    raise unknown(call, "that does not follow a convolution alone")


def one(sides: Sequence[int], call: Call) -> int:
    """Of a window, as high as wide."""
    if len(set(sides)) != 1:
        raise unknown(call, f"of {tuple(sides)}")
    return sides[0]


LAYERS: dict[str, Callable[[Writer, Call], None]] = {
    "convolution": _convolution,
    **dict.fromkeys(("addmm", "mm", "linear"), _linear),
    **dict.fromkeys((*_ACTIVATIONS, *_BOUNDED), _act),
    **dict.fromkeys(NORMS, _norm),
}
