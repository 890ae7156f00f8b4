"""Latency tables of published devices, shipped as JSON."""

from importlib import resources
from pathlib import Path

from latency.table import LatencyTable
from proxyless.errors import InputError


def shipped_names() -> list[str]:
    """The names of the shipped tables."""
    files = resources.files(__name__).iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".json"))


def load_table(name_or_path: str) -> LatencyTable:
    """A shipped table by name, or a table file by path.

    Raises:
        InputError: neither exists, or the file is not a table.
    """
    names = shipped_names()
    if name_or_path in names:
        with resources.as_file(resources.files(__name__) / f"{name_or_path}.json") as path:
            return LatencyTable.load(path)
    path = Path(name_or_path)
    if not path.exists() and path.suffix != ".json":
        raise InputError(f"no latency table {name_or_path!r}: not a file, nor one of {', '.join(names)}")
    return LatencyTable.load(path)
