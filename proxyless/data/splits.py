"""Which part of a data set is for training and which for testing, by their names."""

import logging
import re
from collections.abc import Iterable, Sequence

from proxyless.errors import printable

TRAIN = ("train", "training", "trainval")
TEST = ("test", "testing", "val", "valid", "validation", "dev")
"""In the order in which they are tried: the first that has labels is taken."""

_LOG = logging.getLogger(__name__)


def split_of(name: str) -> str | None:
    """The split that a name is one of: in any case, and with a word such as in `training_set`; None for others."""
    plain = re.sub(r"[ _-]?(set|images?|data|split|s)$", "", name.casefold())
    return plain if plain in (*TRAIN, *TEST) else None


def split_of_file(stem: str) -> str | None:
    """The split that the first word of a file's name says, as in `train-00000-of-00002`, `trainA`; None for others."""
    words = re.match(r"([A-Z]+|[A-Z]?[a-z]+)(?![a-z])", stem)
    return split_of(words.group()) if words else None


def named(present: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Those of the names that are wanted, in the order of `wanted`."""
    ordered = sorted(present)
    return [name for want in wanted for name in ordered if split_of(name) == want]


def say_test(source: str, chosen: str | None, candidates: Sequence[str]) -> None:
    """One line on where the test images are from. candidates: test splits that there are, with labels or without."""
    before = candidates[: candidates.index(chosen)] if chosen is not None else candidates
    after = candidates[candidates.index(chosen) + 1 :] if chosen is not None else []
    taken = f"those of {chosen!r}" if chosen is not None else "a fifth of each class of the training images"
    said = [f"{_listed(before)} without labels"] if before else []
    said += [f"{_listed(after)} not used"] if after else []
    why = f" ({', '.join(said)})" if said else ""
    _LOG.info("%s", printable(f"{source}: test images are {taken}{why}"))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in names)
