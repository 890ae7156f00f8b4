"""What results were made with."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version

from pydantic import BaseModel

from proxyless import __version__


class Environment(BaseModel):
    """Versions and the system in words. finished: when the result was there, in ISO 8601."""

    proxyless: str
    torch: str
    numpy: str
    python: str
    system: str
    machine: str
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
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
