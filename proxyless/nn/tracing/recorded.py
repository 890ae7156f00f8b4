"""What a torch module computes, call by call, as PyTorch's dispatcher sees it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from proxyless.errors import InputError, said


class Ref(NamedTuple):
    """A tensor, by number."""

    number: int


@dataclass(frozen=True)
class Call:
    """op: its name in ATen, without what says that it acts in place. inputs: by name, tensors as `Ref`. outputs: its
    tensors; what acts in place makes a new one. where: the submodule that it is in, in words."""

    op: str
    inputs: Mapping[str, Any]
    outputs: tuple[Ref, ...]
    where: str

    @property
    def sources(self) -> list[Ref]:
        return [leaf for leaf in tree_leaves(dict(self.inputs), _is_ref) if isinstance(leaf, Ref)]


@dataclass
class Recorded:
    """calls: in order. shapes: of all tensors. source, result: what goes in and comes out. names: of the tensors that
    are parameters and buffers. output: the value of the result."""

    calls: list[Call]
    shapes: dict[Ref, tuple[int, ...]]
    source: Ref
    result: Ref
    names: dict[Ref, str]
    output: Tensor
    readers: Counter[Ref] = field(init=False)

    def __post_init__(self) -> None:
        self.readers = Counter(source for call in self.calls for source in call.sources)
        self.readers[self.result] += 1


def record(module: nn.Module, images: Tensor) -> Recorded:
    """What the module does with `images`.

    Raises:
        InputError: it fails, what it does depends on the values, or it returns something else than a tensor.
    """
    recorder = _Recorder()
    source = recorder.number(images)
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    names = {recorder.number(tensor): name for name, tensor in named}
    try:
        with torch.no_grad(), _places(module, recorder.places), recorder:
            output = module(images)
    except InputError:
        raise
    except Exception as error:  # whatever the module does
        raise InputError(f"it fails on an input of {tuple(images.shape)}: {said(error)}; repair it") from None
    if not isinstance(output, Tensor):
        raise InputError(f"it returns a {type(output).__name__}, not one tensor; return one")
    return Recorded(recorder.calls, recorder.shapes, source, recorder.number(output), names, output)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """places: the submodules that are computing, the innermost last."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.shapes: dict[Ref, tuple[int, ...]] = {}
        self.places: list[str] = []
        self._numbers: dict[int, Ref] = {}
        self._alive: list[Tensor] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch asks; skipping would import what compiles networks, for seconds."""
        return False

    def number(self, tensor: Tensor) -> Ref:
        found = self._numbers.get(id(tensor))
        return self._made(tensor) if found is None else found

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False))
        inputs = {argument.name: argument.default_value for argument in func._schema.arguments} | given | (kwargs or {})
        numbered = {name: tree_map(self._seen, value) for name, value in inputs.items()}
        op = func._schema.name.removeprefix("aten::").removesuffix("_")
        if op in ("_local_scalar_dense", "nonzero", "equal"):
            raise InputError("what it computes depends on the values in a tensor; let it be the same for every input")
        result = func(*args, **(kwargs or {}))
        outputs = tuple(self._made(tensor) for tensor in tree_leaves(result) if isinstance(tensor, Tensor))
        self.calls.append(Call(op, numbered, outputs, self.places[-1] if self.places else ""))
        return result

    def _seen(self, value: Any) -> Any:
        return self.number(value) if isinstance(value, Tensor) else value

    def _made(self, tensor: Tensor) -> Ref:
        """Tensors are kept, as their place in memory is what tells them apart."""
        made = Ref(len(self.shapes))
        self._alive.append(tensor)
        self._numbers[id(tensor)], self.shapes[made] = made, tuple(tensor.shape)
        return made


@contextmanager
def _places(module: nn.Module, places: list[str]) -> Iterator[None]:
    """Keeps `places` while the module computes."""
    handles = []

    def leave(*_: Any) -> None:
        places.pop()

    for name, part in module.named_modules():
        place = f" in its {type(part).__name__} {name!r}" if name else ""
        handles.append(part.register_forward_pre_hook(lambda *_, place=place: places.append(place)))
        handles.append(part.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_ref(value: Any) -> bool:
    return isinstance(value, Ref)
