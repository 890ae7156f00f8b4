"""Which of several processes this is: `torchrun` says so in the environment of those that it starts."""

import os


def world() -> int:
    """Number of processes that work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_world() -> int:
    """Number of them on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that prints and writes files."""
    return os.environ.get("RANK", "0") == "0"
