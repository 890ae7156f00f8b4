"""The folder that is handed over: complete, or not there at all."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.format import ModelFile
from export.formats import FORMATS, all_files
from proxyless.errors import InputError
from proxyless.files import output_folder, write_json, write_text
from proxyless.space import Architecture

_OURS = {"architecture.json", "labels.txt", "preprocess.json", "report.json"}
_OURS |= {file.file_name for file in all_files(list(FORMATS.values()), ("float16", "int8"))}


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


@dataclass(frozen=True)
class Contents:
    """What a folder is about. mean, std: per channel, of images in [0, 1]."""

    files: Sequence[ModelFile]
    architecture: Architecture
    classes: Sequence[str]
    mean: Sequence[float]
    std: Sequence[float]


def write_bundle(stage: Path, contents: Contents, report: dict[str, Any]) -> None:
    """Write architecture, labels, how to prepare an image for each file, and the report."""
    contents.architecture.save(stage / "architecture.json")
    write_text(stage / "labels.txt", "".join(f"{name}\n" for name in contents.classes))
    resolution = contents.architecture.space.resolution
    write_json(
        stage / "preprocess.json",
        {
            "format": "preprocess/1",
            "size": [resolution, resolution],
            "resize": "shorter side, bilinear, centre crop",
            "channels": "RGB",
            "scale": "divide by 255, subtract mean, divide by std",
            "mean": list(contents.mean),
            "std": list(contents.std),
            "files": {file.file_name: {"layout": file.format.layout, "dtype": "float32"} for file in contents.files},
        },
    )
    write_json(stage / "report.json", report)
