"""Checkpoints of work under way: replaced in one step, read without pickle."""

from pathlib import Path
from typing import Any

import torch

from proxyless.errors import InputError
from proxyless.files import atomic
from proxyless.host import tree_to_host


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, texts and containers of them; tensors of a GPU as ones of the CPU."""
    with atomic(path) as temporary:
        torch.save(tree_to_host(state), temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        InputError: damaged, or not a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise InputError(f"checkpoint {path} is damaged ({reason}); delete it to start over") from None
    if not isinstance(state, dict):
        raise InputError(f"checkpoint {path} is not one of this program; delete it to start over")
    return state
