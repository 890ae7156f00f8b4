"""What is known of a module while its calls become primitives."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from proxyless.errors import InputError
from proxyless.nn.blocks import Branch, running_norm
from proxyless.nn.tracing.recorded import Call, Recorded, Ref
from proxyless.ops import Lowered
from proxyless.ops.lowered import Chain

NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training")
_EPS = 1e-5
"""Of the BatchNorm of `proxyless.nn.blocks`."""
_RESERVED = {*dir(Branch((), running_norm)), "acts", "compute", "nodes"}
"""Names that no part of a branch can have, here and in the receiver's model.py."""

Form = Literal["map", "flat", "apart", "turned"]


class Written(NamedTuple):
    """weights: by their names in a branch of these nodes, those in the module."""

    lowered: Lowered
    weights: dict[str, str]


@dataclass(frozen=True)
class Value:
    """A tensor of the layer as the module sees it.

    form: (N, C, H, W); flat (N, C), of one pixel; with the channels apart, (N, groups, C / groups, H, W); or with these
    two axes turned, (N, C / groups, groups, H, W).
    """

    tensor: int
    form: Form = "map"
    groups: int = 1


class Writer:
    """values: of the tensors that are computed from the input. done: the numbers of calls that are part of what an
    earlier one became."""

    def __init__(self, recorded: Recorded, chain: Chain) -> None:
        self.recorded, self.chain = recorded, chain
        self.values: dict[Ref, Value] = {recorded.source: Value(0)}
        self.done: set[int] = set()
        self.weights: dict[str, str] = {}
        self._paths = dict(recorded.names)
        self._reader = {source: number for number, call in enumerate(recorded.calls) for source in call.sources}
        self._taken = set(_RESERVED)

    def transpose(self, call: Call) -> None:
        """The weights of linear layers are turned before they are used."""
        (source,) = call.sources
        if source in self._paths:
            self._paths[call.outputs[0]] = self._paths[source]

    def finish(self) -> Written:
        chain, result = self.chain, self.values.get(self.recorded.result)
        if result is None or result.form != "map" or not chain.nodes:
            shape = self.recorded.shapes[self.recorded.result]
            raise InputError(f"it returns {shape} without computing (N, C, H, W) of its input; let it return that")
        read = {source for node in chain.nodes for source in node.sources}
        if result.tensor != len(chain.nodes) or read != set(range(len(chain.nodes))):
            raise InputError("it computes something that does not reach its output; leave that out")
        return Written(chain.finish(residual=False), self.weights)

    def value(self, ref: Any, call: Call) -> Value:
        """Of a tensor that is computed from the input."""
        if ref not in self.values:
            what = f"its {self._paths[ref]!r}" if ref in self._paths else "a constant"
            raise unknown(call, f"with {what}")
        return self.values[ref]

    def image(self, ref: Any, call: Call) -> int:
        """The number of a tensor that has height and width."""
        value = self.value(ref, call)
        if value.form != "map":
            raise unknown(call, "on other tensors than images")
        return value.tensor

    def keep(self, call: Call, tensor: int, form: Form = "map", groups: int = 1) -> None:
        """What the call made is that tensor."""
        self.values[call.outputs[0]] = Value(tensor, form, groups)

    def following(self, made: Ref, ops: Collection[str]) -> Call | None:
        """The call that alone reads a tensor, where it is one of those."""
        if self.recorded.readers[made] != 1 or made not in self._reader:
            return None
        call = self.recorded.calls[self._reader[made]]
        return call if call.op in ops and call.sources[0] == made else None

    def merge(self, call: Call) -> Ref:
        """Say that the call is done; its output."""
        self.done.add(self._reader[call.sources[0]])
        return call.outputs[0]

    def name(self, weight: Any, bias: Any, call: Call) -> str:
        """Of a new layer with these weights."""
        name = self._path(weight, call).removesuffix(".weight").replace(".", "_")
        while self._taken & (names := {name, f"{name}_norm", f"{name}_act"}):
            name += "_"
        self._taken |= names
        self._use(f"{name}.weight", weight, call)
        if bias is not None:
            self._use(f"{name}.bias", bias, call)
        return name

    def norm(self, name: str, call: Call) -> None:
        """Its weights are those of the BatchNorm of a layer."""
        if call.inputs.get("training") or call.inputs["eps"] != _EPS:
            raise unknown(call, f"with eps {call.inputs['eps']:g} instead of {_EPS:g}, or without running statistics")
        for key in ("weight", "bias", "running_mean", "running_var"):
            self._use(f"{name}_norm.{key}", call.inputs[key], call)

    def _use(self, key: str, ref: Any, call: Call) -> None:
        path = self._path(ref, call)
        if path in self.weights.values():
            raise InputError(f"it uses {path!r} more than once; give every layer weights of its own")
        self.weights[key] = path

    def _path(self, ref: Any, call: Call) -> str:
        if ref not in self._paths:
            raise unknown(call, "with weights that are not its own parameters")
        return self._paths[ref]


def unknown(call: Call, how: str = "") -> InputError:
    """Of a call that no primitive computes."""
    return InputError(
        f"it computes {call.op!r}{f' {how}' * bool(how)}{call.where}, which there is no primitive for; change that, or "
        "write the operator down: docs/adding.md"
    )
