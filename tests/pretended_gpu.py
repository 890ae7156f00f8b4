"""A GPU that is not there: its tensors hold their values on the CPU, and have the rules of CUDA's.

A tensor of it cannot be read by NumPy, does not meet tensors of the CPU (but for numbers and indices, as on CUDA),
takes no generator of the CPU, and is read by nothing but `proxyless/host.py`. The numbers are those of the CPU.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU_TYPE = "pretended"

_HELPER = "proxyless/host.py"
_aten = torch.ops.aten
_MEETS_THE_CPU = {_aten.copy_.default, _aten._to_copy.default}
_TAKES_INDICES = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default}
_READS = {_aten._local_scalar_dense.default, _aten.equal.default, _aten.nonzero.default, _aten.is_nonzero.default}


class OnGpu(Tensor):
    """A tensor that says it is on the GPU. `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls: "type[OnGpu]", inner: Tensor) -> "OnGpu":
        made: OnGpu = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(GPU_TYPE, 0),
            requires_grad=inner.requires_grad,
        )
        made.held = inner
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: Any) -> "OnGpu":
        return OnGpu(inner["held"])

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnGpu({tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(function, args, kwargs or {})


class _Pretence(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what makes a tensor of the GPU out of none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor | torch.Generator)]
    asked = kwargs.get("device")
    here = any(isinstance(leaf, OnGpu) for leaf in leaves)
    if asked is not None and torch.device(asked).type == GPU_TYPE:
        kwargs, there = {**kwargs, "device": torch.device("cpu")}, True
    else:
        there = here and asked is None
    _check(function, args, leaves, here, there, to_cpu=here and asked is not None and torch.device(asked).type == "cpu")
    done = function(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    return _outer(function, done, args, there)


def _check(function: Any, args: Any, leaves: list[Any], here: bool, there: bool, to_cpu: bool) -> None:
    if here and (function in _READS or to_cpu or _copies_to_cpu(function, args)) and not _in_helper():
        raise AssertionError(f"{function} reads a tensor of the GPU outside of {_HELPER}")
    strangers = [leaf for leaf in leaves if not isinstance(leaf, OnGpu) and not _is_number(leaf)]
    if function in _TAKES_INDICES and isinstance(args[0], OnGpu):
        strangers = [leaf for leaf in strangers if leaf.dtype not in (torch.int64, torch.bool)]
    if (here or there) and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"{function}: expected a generator of the GPU, got the CPU's")
    if here and strangers and function not in _MEETS_THE_CPU:
        raise RuntimeError(f"{function}: expected all tensors to be on the GPU, got also the CPU's")


def _copies_to_cpu(function: Any, args: Any) -> bool:
    return function is _aten.copy_.default and not isinstance(args[0], OnGpu)


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.ndim == 0


def _in_helper() -> bool:
    frame: Any = sys._getframe()
    while frame is not None and not frame.f_code.co_filename.endswith(_HELPER):
        frame = frame.f_back
    return frame is not None


def _inner(value: Any) -> Any:
    return value.held if isinstance(value, OnGpu) else value


def _outer(function: Any, done: Any, args: Any, there: bool) -> Any:
    """What was computed, on the GPU; of a change in place, the tensor that was changed."""
    if function._schema.is_mutable and isinstance(done, Tensor):
        return next(a for a in tree_leaves(args) if isinstance(a, Tensor) and _inner(a) is done)
    return tree_map(lambda value: OnGpu(value) if there and isinstance(value, Tensor) else value, done)


class _Module(backend_registration._DummyBackendModule):
    """What PyTorch asks a device for. It counts none: tests that know nothing of it run in the same process."""

    def device_count(self) -> int:
        return 0

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


_NO_WAIT = patch("torch.cuda.synchronize", lambda *_: None)


@cache
def _register() -> None:
    """PyTorch lets Python claim one device of its own, once per process."""
    backend_registration._setup_privateuseone_for_python_backend(rename=GPU_TYPE, backend_module=_Module())


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """Inside, the device exists, and whatever makes a fabric gets one that runs there."""
    _register()
    device, lifted = torch.device(GPU_TYPE, 0), torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        # PyTorch starts its threads for backward passes once, for the devices that it knows then.
        with (
            torch.autograd.set_multithreading_enabled(False),
            patch.object(Fabric, "device", device),
            _Pretence(),
            _NO_WAIT,
        ):
            yield device
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)
