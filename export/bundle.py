"""The folder that is handed over: complete, or not there at all."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from export.format import Format
from export.formats import FORMATS
from proxyless.errors import InputError
from proxyless.files import output_folder, write_json, write_text
from proxyless.space import Architecture

_OURS = {"architecture.json", "labels.txt", "preprocess.json", "report.json"}
_OURS |= {format_.file_name for format_ in FORMATS.values()}


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder`; on success it takes its place, else it is removed.

    Raises:
        InputError: the place cannot be written to, or holds something that is not an export.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose a folder to export to")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OURS) if folder.exists() else []
    if foreign:
        raise InputError(f"{folder} holds {foreign[0]!r}, which is not of an export; choose an empty or a new folder")
    parent = output_folder(folder.absolute().parent)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        yield stage
        stage.chmod(0o755)
        if folder.exists():
            old = stage.with_name(stage.name + "-old")
            folder.replace(old)
            stage.replace(folder)
            shutil.rmtree(old)
        else:
            stage.replace(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_descriptions(
    stage: Path,
    formats: Sequence[Format],
    architecture: Architecture,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    """Write architecture, labels, and how to prepare an image for each file."""
    architecture.save(stage / "architecture.json")
    write_text(stage / "labels.txt", "".join(f"{name}\n" for name in classes))
    resolution = architecture.space.resolution
    write_json(
        stage / "preprocess.json",
        {
            "format": "preprocess/1",
            "size": [resolution, resolution],
            "resize": "shorter side, bilinear, centre crop",
            "channels": "RGB",
            "scale": "divide by 255, subtract mean, divide by std",
            "mean": list(mean),
            "std": list(std),
            "files": {format_.file_name: {"layout": format_.layout, "dtype": "float32"} for format_ in formats},
        },
    )


def write_report(stage: Path, report: dict[str, Any]) -> None:
    """Write `report.json`."""
    write_json(stage / "report.json", {"format": "export-report/1", **report})
