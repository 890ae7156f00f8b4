"""Checkpoints of work under way: replaced in one step, read without pickle, and of this very work."""

import hashlib
import json
import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from proxyless.errors import InputError, said
from proxyless.files import atomic, writing
from proxyless.host import tree_to_host

_LOG = logging.getLogger(__name__)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, texts and containers of them; tensors of a GPU as ones of the CPU.

    Raises:
        OSError: the disk is full.
    """
    with atomic(path) as temporary, writing(path):
        torch.save(tree_to_host(state), temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        InputError: damaged, or not a checkpoint.
    """
    try:
        _check_stored(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise InputError(f"checkpoint {path} is damaged ({reason}); delete it to start over") from None
    if not isinstance(state, dict):
        raise InputError(f"checkpoint {path} is not one of this program; delete it to start over")
    return state


def _check_stored(path: Path) -> None:
    """PyTorch stores tensors as they are: a compressed file may expand to any size."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is compressed, which none of this program is")
            if archive.testzip() is not None:
                raise ValueError("its parts do not have their check sums")


def identity_of(*parts: Any) -> str:
    """A digest of everything that makes work what it is: values of JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def work_state(identity: str, epoch: int, history: list[dict[str, Any]]) -> dict[str, Any]:
    """What every checkpoint begins with."""
    return {"identity": identity, "threads": torch.get_num_threads(), "epoch": epoch, "history": history}


@contextmanager
def taking_up(path: Path, what: str, identity: str, most_epochs: int) -> Iterator[dict[str, Any]]:
    """The state in a checkpoint, for a block that loads its parts. what: a search, or a training.

    Raises:
        InputError: it is damaged, or of other work; also where a part does not fit.
    """
    state = load_checkpoint(path)
    try:
        _check(state, most_epochs)
        check_state(state, identity)
        yield state
    except Exception as error:  # a foreign document may make the parts' own code raise anything
        raise InputError(f"checkpoint {path} is not of this {what} ({said(error)}); choose another folder") from None
    if torch.get_num_threads() != state["threads"]:
        _LOG.info(
            "begun with %(before)d threads, and going on with %(now)d: sums differ by their last digits, so that the "
            "result is not that of a run without interruption; set OMP_NUM_THREADS=%(before)d for that",
            {"before": state["threads"], "now": torch.get_num_threads()},
        )


def check_state(state: dict[str, Any], identity: str) -> None:
    """Raise ValueError unless the state is of the work with that identity, and all of its tensors are numbers."""
    if state.get("identity") != identity:
        raise ValueError("it was made with other settings, other data or another space")
    if _has_nan(state):
        raise ValueError("its tensors are not all numbers")


def _check(state: dict[str, Any], most_epochs: int) -> None:
    epoch, history = state["epoch"], state["history"]
    if type(epoch) is not int or not 0 <= epoch <= most_epochs:
        raise ValueError(f"its epoch is {epoch!r} of {most_epochs}")
    if (
        not isinstance(history, list)
        or len(history) != epoch
        or not all(isinstance(record, dict) for record in history)
    ):
        raise ValueError("its history is not that of its epochs")
    if type(state["threads"]) is not int:
        raise ValueError("its number of threads is none")


def _has_nan(value: Any) -> bool:
    """Infinite ones are legal: of a choice that is left out."""
    if isinstance(value, Tensor):
        return bool(torch.isnan(value).any())
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_nan, value))
