"""Blocks that are replayed from CUDA graphs: one launch for a forward pass of a block, and one for its backward pass.

Small images leave a GPU waiting for the launches of a thousand small kernels. A graph computes in memory of its own,
where the next replay overwrites what the last one left, gradients too: a block whose backward pass is still to come is
computed plainly when it is needed again, and gradients are not summed over several backward passes.
"""

import logging
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from proxyless.errors import one_line
from proxyless.nn.blocks import Block

Capture = Callable[[nn.Module, tuple[Tensor, ...]], object]
"""Makes a module's `forward` replay what it computes on a sample; torch.cuda.make_graphed_callables."""

_LOGGER = logging.getLogger(__name__)

_SPARE = 0.25
"""Of the memory of a GPU is left free: no further blocks are captured beyond."""


def replay_blocks(network: nn.Module, capture: Capture | None = None) -> None:
    """Have every block's branch replayed, in place, once it has been captured in its first step with gradients.

    Which blocks a path has is decided outside of what is captured. The names of the weights stay, and their places in
    memory must. For one process: what processes exchange is not captured.
    """
    for block in network.modules():
        if isinstance(block, Block):
            branch = block.branch
            branch.forward = _Replayed(branch, capture or _capture)  # type: ignore[method-assign]


class _Replayed:
    """The forward pass of a module, which is captured for the first kind of input that it sees."""

    def __init__(self, module: nn.Module, capture: Capture) -> None:
        self._module, self._capture = weakref.ref(module), capture
        self._plain = type(module).forward
        self._replay: Callable[[Tensor], Tensor] | None = None
        self._kind: tuple[Any, ...] | None = None
        self._pass: weakref.ref[_Pass] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        module = self._module()
        assert module is not None
        if not (torch.is_grad_enabled() and x.requires_grad and module.training) or self._is_pending():
            return self._compute(module, x)
        kind = _kind(x)
        if self._kind is None:
            self._kind = kind
            self._replay = self._captured(module, x) if _has_room(x) else None
        if self._replay is None or kind != self._kind:
            return self._compute(module, x)
        out = self._replay(x)
        self._pass = _Pass.begin(out)
        return out

    def _compute(self, module: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = self._plain(module, x)
        return out

    def _is_pending(self) -> bool:
        """Whether a backward pass may still need what the last replay left."""
        last = self._pass() if self._pass is not None else None
        return last is not None and not last.done

    def _captured(self, module: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor] | None:
        """None where it cannot be. What is computed to warm up moves no statistics."""
        buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
        module.forward = lambda x: self._compute(module, x)
        try:
            self._capture(module, (torch.zeros_like(x, requires_grad=True),))
            return module.forward
        except RuntimeError as error:  # memory, or something that cannot be captured
            _LOGGER.warning("a block is not replayed: %s", one_line(str(error)))
            return None
        finally:
            module.forward = self
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


class _Pass:
    """From a forward pass to its backward pass; held by the graph of gradients, and gone with it."""

    def __init__(self) -> None:
        self.done = False

    @classmethod
    def begin(cls, out: Tensor) -> "weakref.ref[_Pass]":
        begun = cls()
        node: Any = out.grad_fn
        node.metadata["pass"] = begun
        reference = weakref.ref(begun)
        out.register_hook(lambda _: _end(reference))  # type: ignore[no-untyped-call]
        return reference


def _end(reference: "weakref.ref[_Pass]") -> None:
    ended = reference()
    if ended is not None:
        ended.done = True


def _kind(x: Tensor) -> tuple[Any, ...]:
    """A graph is for inputs of one shape, type and layout, and for one arithmetic."""
    device = x.device.type
    return x.shape, x.stride(), x.dtype, torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)


def _has_room(x: Tensor) -> bool:
    if x.device.type == "cpu":
        return True
    free, total = torch.cuda.mem_get_info(x.device)
    return free > _SPARE * total


def _capture(module: nn.Module, sample: tuple[Tensor, ...]) -> object:
    """Autocast as it is, without its cache: a graph must compute its own casts."""
    enabled, dtype = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    with torch.autocast("cuda", dtype, enabled=enabled, cache_enabled=False):
        return torch.cuda.make_graphed_callables(module, sample)
