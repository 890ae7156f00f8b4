"""What a file must hold to be handed over: named checks, each with its figure and its limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from export.dtypes import Dtype
from export.format import Structure
from proxyless.ops import Act, Conv, LayerSpec, Linear, Node, Norm, Pool, Shuffle, lower_layer, network_cost
from proxyless.ops.cell import remaining


@dataclass(frozen=True)
class Check:
    """A promise about a file, what was found, and the limit that it must keep."""

    name: str
    passed: bool
    value: float
    limit: float
    unit: str = ""

    def __str__(self) -> str:
        state = "passed" if self.passed else "FAILED"
        return f"{self.name}: {state} ({self.value:.4g}{self.unit}, limit {self.limit:.4g}{self.unit})"


def failed(checks: Sequence[Check]) -> list[Check]:
    """The checks that did not pass."""
    return [check for check in checks if not check.passed]


def at_most(name: str, value: float, limit: float, unit: str = "") -> Check:
    return Check(name, value <= limit, value, limit, unit)


def at_least(name: str, value: float, limit: float, unit: str = "") -> Check:
    return Check(name, value >= limit, value, limit, unit)


def exactly(name: str, value: float, expected: float) -> Check:
    return Check(name, value == expected, value, expected)


@dataclass(frozen=True)
class Limits:
    """What a file of a dtype may differ from PyTorch.

    relative_error: of a logit, relative to the largest logit. agreement: share of the images whose top class must be
    PyTorch's; ties may fall either way. loss_points: of accuracy, in percentage points. batch_error: of a logit, where
    images come one at a time or several, relative to the largest logit.
    """

    relative_error: float
    agreement: float
    loss_points: float
    batch_error: float
    bytes_per_value: int


LIMITS: dict[Dtype, Limits] = {
    "float32": Limits(1e-3, 0.998, 0.2, 1e-4, 4),
    "float16": Limits(2e-2, 0.99, 0.5, 1e-4, 2),
    "int8": Limits(0.5, 0.85, 1.0, 0.5, 1),
}
"""Rounding to 8 bits moves logits; what counts there is the accuracy, whose limit is a setting.

A batch is added up in another order than an image: that moves a number by its last digits, but where it is rounded to 8
bits then, sometimes by a whole step (random networks of `mobilenetv3` and `mnasnet` in ONNX Runtime: up to 0.26).
"""


@dataclass(frozen=True)
class Expected:
    """What a network asks of its files.

    strided: convolutions with a stride and a kernel; each may need one explicit padding, nothing else does.
    shuffles: of channels, each up to three turns and two reshapes in a file. channels: outputs of all convolutions.
    constant: a cell lets nothing through, so that the network says the same of every image; converters may notice.
    fast, fast_int8: every runtime has fast kernels for all of it. end_parameters: of the first and the last layer.
    """

    convolutions: int
    depthwise: int
    strided: int
    shuffles: int
    fast: bool
    fast_int8: bool
    channels: int
    parameters: int
    end_parameters: int
    constant: bool = False

    @staticmethod
    def of(layers: Sequence[LayerSpec]) -> "Expected":
        nodes = [node for spec in layers for node in lower_layer(spec).nodes]
        convs = [node for node in nodes if isinstance(node, Conv)]
        windows = [node for node in nodes if isinstance(node, Conv | Pool)]
        return Expected(
            convolutions=sum(not node.depthwise for node in convs),
            depthwise=sum(isinstance(node, Norm) or (isinstance(node, Conv) and node.depthwise) for node in nodes),
            strided=sum(node.stride > 1 and node.kernel > 1 for node in windows),
            shuffles=sum(isinstance(node, Shuffle) for node in nodes),
            fast=not any(map(_is_slow, nodes)),
            fast_int8=not any(_is_slow(node) or _is_slow_in_int8(node) for node in nodes),
            channels=sum(node.out_channels for node in nodes if isinstance(node, Conv | Linear | Norm)),
            parameters=network_cost(layers).params,
            end_parameters=network_cost([layers[0], layers[-1]]).params,
            constant=any(spec.edges and not list(remaining(spec.edges)) for spec in layers),
        )

    def size_limit_bytes(self, dtype: Dtype, found: Structure, *, ends_in_float: bool, metadata: int) -> float:
        """Of a file without waste: the values, their scales and biases, the operators, and the metadata."""
        size = LIMITS[dtype].bytes_per_value
        values = size * self.parameters + ((4 - size) * self.end_parameters if ends_in_float else 0)
        return 1.1 * values + 32 * self.channels + 1024 * found.operators.total() + 2 * metadata + 4096


def _is_slow(node: Node) -> bool:
    """XNNPACK leaves tensors of five dimensions, and paddings with other values than zero, to LiteRT."""
    return isinstance(node, Shuffle) or (isinstance(node, Pool) and node.padding > 0 and node.stride > 1)


def _is_slow_in_int8(node: Node) -> bool:
    """XNNPACK has no kernels for hard swish and for means of neighbours in whole numbers."""
    has_hard_swish = isinstance(node, Conv | Linear | Act) and node.act == "h_swish"
    return has_hard_swish or (isinstance(node, Pool) and node.kind == "mean")


def structure_checks(
    found: Structure, expected: Expected, unwanted: Sequence[str], float_layers: int | None
) -> Iterator[Check]:
    """Whether the file does the work that the network asks for, and no other.

    float_layers: that the recipe leaves in float; None where all are.
    """
    yield at_most(
        f"operators {'/'.join(unwanted)}", sum(found.operators[name] for name in unwanted), 3 * expected.shuffles
    )
    yield at_most("explicit paddings", found.paddings, expected.strided)
    yield at_most("reshapes", found.reshapes, 1 + 2 * expected.shuffles)
    counted = at_most if expected.constant else exactly
    yield counted("convolutions", found.convolutions, expected.convolutions)
    yield counted("depthwise convolutions", found.depthwise, expected.depthwise)
    if float_layers is not None:
        yield exactly("layers left in float", found.float_layers, float_layers)
    fast = expected.fast if float_layers is None else expected.fast_int8
    if found.delegated is not None and fast and not expected.constant:
        yield at_least("network taken over by the fast kernels", float(found.delegated), 1)
