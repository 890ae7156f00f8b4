"""Compiled candidates: each block by itself, never the choice between them."""

import torch
from torch import nn

from proxyless.nn.blocks import Block

_VARIANTS = 4
"""Of a block's code: with gradients (a step), without (gates of others, an evaluation), for a last smaller batch."""


def compile_blocks(network: nn.Module, backend: str = "inductor") -> None:
    """Compile every block's branch in place, each when it first runs; the names of the weights stay.

    Which blocks a path has is decided outside of what is compiled, so that a new path compiles nothing once its
    blocks are. Blocks of equal shapes share what was compiled.
    """
    branches = [block.branch for block in network.modules() if isinstance(block, Block)]
    _allow(_VARIANTS * len(branches))
    for branch in branches:
        branch.compile(dynamic=False, backend=backend)


def _allow(count: int) -> None:
    """Let one piece of code be compiled so often: every candidate of a supernet runs the same, with other shapes.

    The limit is there to notice code that never stops recompiling, and beyond it a block would silently not be
    compiled. It is read when a block first runs, also in the threads of the backward pass: no `with` would hold it.
    """
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, count)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, count)
