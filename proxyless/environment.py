"""What results were made with."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version

import torch
from pydantic import BaseModel

from proxyless import __version__


class Environment(BaseModel):
    """Versions and the system in words.

    threads: of PyTorch, with another number of which sums differ by their last digits; None in older documents.
    finished: when the result was there, in ISO 8601.
    """

    proxyless: str
    torch: str
    numpy: str
    python: str
    system: str
    machine: str
    threads: int | None = None
    finished: str

    @staticmethod
    def now() -> "Environment":
        return Environment(
            proxyless=__version__,
            torch=version("torch"),
            numpy=version("numpy"),
            python=platform.python_version(),
            system=platform.platform(),
            machine=platform.machine(),
            threads=torch.get_num_threads(),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
