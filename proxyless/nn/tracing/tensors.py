"""Sums, products, pooling, and other shapes of tensors of a recorded module."""

from collections.abc import Callable
from typing import Literal

from proxyless.nn.tracing.layers import one
from proxyless.nn.tracing.recorded import Call, Ref
from proxyless.nn.tracing.written import Value, Writer, unknown


def _same(writer: Writer, call: Call) -> None:
    writer.values[call.outputs[0]] = writer.value(call.sources[0], call)


def _sum(writer: Writer, call: Call) -> None:
    """Of two tensors, or with a number."""
    mine, other, sign = call.inputs["self"], call.inputs["other"], 1 if call.op == "add" else -1
    if call.inputs.get("alpha", 1) != 1:
        raise unknown(call, "with a factor")
    if not isinstance(other, Ref):
        value = writer.value(mine, call)
        writer.keep(call, writer.chain.affine(value.tensor, shift=sign * other), value.form, value.groups)
    elif call.op == "add":
        first, second = sorted((writer.image(mine, call), writer.image(other, call)), reverse=True)
        writer.keep(call, writer.chain.add(first, second))  # a sum with the input is one that ends in it
    else:
        raise unknown(call, "of two tensors")


def _difference(writer: Writer, call: Call) -> None:
    """A number less a tensor."""
    value, other = writer.value(call.inputs["self"], call), call.inputs["other"]
    if isinstance(other, Ref) or call.inputs["alpha"] != 1:
        raise unknown(call, "of two tensors")
    writer.keep(call, writer.chain.affine(value.tensor, -1.0, other), value.form, value.groups)


def _product(writer: Writer, call: Call) -> None:
    """Of two tensors, of which one may be of one pixel, or with a number."""
    mine, other = call.inputs["self"], call.inputs["other"]
    if not isinstance(other, Ref):
        value = writer.value(mine, call)
        scale = float(other) if call.op == "mul" else 1 / other
        writer.keep(call, writer.chain.affine(value.tensor, scale=scale), value.form, value.groups)
    elif call.op == "mul":
        first, second = writer.image(mine, call), writer.image(other, call)
        if writer.chain.shapes[first][:2] == (1, 1):
            first, second = second, first
        writer.keep(call, writer.chain.mul(first, second))
    else:
        raise unknown(call, "of two tensors")


def _mean(writer: Writer, call: Call) -> None:
    """Over height and width."""
    axes = {axis % 4 for axis in call.inputs.get("dim") or ()}
    source = writer.image(call.inputs["self"], call)
    if axes != {2, 3}:
        raise unknown(call, "over other axes than height and width")
    writer.keep(call, writer.chain.global_pool(source), "map" if call.inputs["keepdim"] else "flat")


def _adaptive_pool(writer: Writer, call: Call) -> None:
    if set(call.inputs["output_size"]) != {1}:
        raise unknown(call, "to more than one pixel")
    writer.keep(call, writer.chain.global_pool(writer.image(call.inputs["self"], call)))


def _pool(writer: Writer, call: Call) -> None:
    given = call.inputs
    kind: Literal["mean", "max"] = "mean" if call.op == "avg_pool2d" else "max"
    kernel = one(given["kernel_size"], call)
    stride, padding = one(given["stride"] or [kernel], call), one(given["padding"], call)
    counted = padding > 0 and given.get("count_include_pad", False)
    if padding != (kernel - 1) // 2 or counted or given["ceil_mode"] or set(given.get("dilation", [1])) != {1}:
        raise unknown(call, f"with other padding than (kernel_size - 1) // 2 = {(kernel - 1) // 2} that is not counted")
    writer.keep(call, writer.chain.pool(writer.image(given["self"], call), kind, kernel, stride))


def _view(writer: Writer, call: Call) -> None:
    """To and from one flat pixel, and apart and together again for a shuffle of channels."""
    value, to = writer.value(call.inputs["self"], call), writer.recorded.shapes[call.outputs[0]][1:]
    height, width, channels = writer.chain.shapes[value.tensor]
    whole, flat = (channels, height, width), (channels,)
    if value.form in ("map", "flat") and to == whole:
        writer.keep(call, value.tensor)
    elif value.form in ("map", "flat") and to in (flat, (*flat, 1)) and height == width == 1:
        writer.keep(call, value.tensor, "flat")
    elif value.form == "map" and to[2:] == (height, width) and to[0] * to[1] == channels:
        writer.keep(call, value.tensor, "apart", to[0])
    elif value.form == "turned" and to == whole:
        writer.keep(call, writer.chain.shuffle(value.tensor, value.groups))
    else:
        raise unknown(
            call, f"from {writer.recorded.shapes[call.sources[0]]} to {writer.recorded.shapes[call.outputs[0]]}"
        )


def _turn(writer: Writer, call: Call) -> None:
    """The two axes of channels that are apart."""
    value = writer.value(call.inputs["self"], call)
    order = list(range(5))
    if call.op == "permute":
        order = [axis % 5 for axis in call.inputs["dims"]]
    else:
        first, second = call.inputs["dim0"] % 5, call.inputs["dim1"] % 5
        order[first], order[second] = second, first
    if value.form != "apart" or order != [0, 2, 1, 3, 4]:
        raise unknown(call, "of other axes than those of channels in groups")
    writer.keep(call, value.tensor, "turned", value.groups)


def _slice(writer: Writer, call: Call) -> None:
    """One part of the channels."""
    source, given = writer.image(call.inputs["self"], call), call.inputs
    shape = writer.recorded.shapes[call.sources[0]]
    first, stop, _ = slice(given["start"], given["end"]).indices(shape[given["dim"]])
    if writer.recorded.shapes[call.outputs[0]] == shape:
        writer.keep(call, source)
    elif given["dim"] % 4 != 1 or given["step"] != 1:
        raise unknown(call, "of other axes than the channels")
    else:
        writer.keep(call, writer.chain.slice(source, first, stop))


def _split(writer: Writer, call: Call) -> None:
    """Several parts of the channels; those that nothing needs are none."""
    source, first = writer.image(call.inputs["self"], call), 0
    if call.inputs["dim"] % 4 != 1:
        raise unknown(call, "of other axes than the channels")
    for part in call.outputs:
        stop = first + writer.recorded.shapes[part][1]
        if writer.recorded.readers[part]:
            writer.values[part] = Value(writer.chain.slice(source, first, stop))
        first = stop


def _concat(writer: Writer, call: Call) -> None:
    if call.inputs["dim"] % 4 != 1:
        raise unknown(call, "of other axes than the channels")
    writer.keep(call, writer.chain.concat([writer.image(source, call) for source in call.inputs["tensors"]]))


def _shuffle(writer: Writer, call: Call) -> None:
    writer.keep(call, writer.chain.shuffle(writer.image(call.inputs["self"], call), call.inputs["groups"]))


TENSORS: dict[str, Callable[[Writer, Call], None]] = {
    **dict.fromkeys(("clone", "alias", "detach", "contiguous", "lift_fresh"), _same),
    **dict.fromkeys(("add", "sub"), _sum),
    "rsub": _difference,
    **dict.fromkeys(("mul", "div"), _product),
    "mean": _mean,
    "_adaptive_avg_pool2d": _adaptive_pool,
    **dict.fromkeys(("avg_pool2d", "max_pool2d_with_indices", "max_pool2d"), _pool),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze"), _view),
    **dict.fromkeys(("transpose", "permute"), _turn),
    "channel_shuffle": _shuffle,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "cat": _concat,
}
