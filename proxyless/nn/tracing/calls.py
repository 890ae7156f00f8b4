"""Recorded calls of a torch module as primitives: a new one is a function and its names in `LAYERS` or `TENSORS`."""

from proxyless.nn.tracing.layers import LAYERS
from proxyless.nn.tracing.recorded import Call, Recorded
from proxyless.nn.tracing.tensors import TENSORS
from proxyless.nn.tracing.written import Writer, Written, unknown
from proxyless.ops import Shape
from proxyless.ops.lowered import Chain

_WRITERS = LAYERS | TENSORS


def write_down(recorded: Recorded, in_shape: Shape) -> Written:
    """The primitives that compute what was recorded.

    Raises:
        InputError: there are none for a call, which is named.
    """
    writer = Writer(recorded, Chain(in_shape))
    for number, call in enumerate(recorded.calls):
        if number not in writer.done:
            _add(writer, call)
    return writer.finish()


def _add(writer: Writer, call: Call) -> None:
    """What has nothing to do with the input is left out: whatever needs it then says so."""
    if any(source in writer.values for source in call.sources):
        if call.op not in _WRITERS:
            raise unknown(call)
        _WRITERS[call.op](writer, call)
    elif call.op == "t":
        writer.transpose(call)
