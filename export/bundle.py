"""The folder that is handed over: complete, or not there at all."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.format import ModelFile
from export.formats import all_files, known_formats
from export.metadata import describe_entries
from export.preprocess import FileInput, Preprocess
from export.receiver.readme import Evaluated, FileRow, write_readme
from export.receiver.write import write_classify, write_model
from proxyless.data.labels import label_line
from proxyless.errors import InputError
from proxyless.files import output_folder, write_json, write_text
from proxyless.space import Architecture
from proxyless.swap import put_in_place, recover
from proxyless.temporary import stage_beside

Report = dict[str, Any]

_OURS = {"architecture.json", "labels.txt", "preprocess.json", "report.json"}
_OURS |= {"README.md", "classify.py", "model.py", "weights.safetensors", "__pycache__"}


def _ours() -> set[str]:
    """Names of everything that an export may hold."""
    return _OURS | {file.file_name for file in all_files(list(known_formats().values()), ("float16", "int8"))}


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder`; on success it takes its place, else it is removed.

    Raises:
        InputError: the place cannot be written to, or holds something that is not an export.
    """
    folder = folder.resolve()  # of a link, what it points to is replaced
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose a folder to export to")
    recover(folder)
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _ours()) if folder.exists() else []
    if foreign:
        raise InputError(f"{folder} holds {foreign[0]!r}, which is not of an export; choose an empty or a new folder")
    parent = output_folder(folder.parent)
    with stage_beside(parent / folder.name) as stage:
        yield stage
        stage.chmod(0o755)
        put_in_place(stage, folder)


@dataclass(frozen=True)
class Contents:
    """What a folder is about. mean, std: per channel, of images in [0, 1]."""

    files: Sequence[ModelFile]
    architecture: Architecture
    classes: Sequence[str]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def preprocess(self, stage: Path) -> Preprocess:
        """How an image becomes the input of each file in the folder."""
        side = self.architecture.resolution
        inputs = {
            file.file_name: FileInput(
                layout=file.format.layout, dtype=file.format.tools.structure(stage / file.file_name).input_dtype
            )
            for file in self.files
        }
        return Preprocess(size=(side, side), mean=self.mean, std=self.std, files=inputs)

    def describe(self, stage: Path) -> None:
        """Write into every file what it is."""
        preprocess, target = self.preprocess(stage), self.architecture.target
        for file in self.files:
            entries = describe_entries(self.classes, preprocess, file.file_name, target)
            file.format.describe(stage / file.file_name, entries)


def write_bundle(stage: Path, contents: Contents, weights: Path, report: Report) -> None:
    """Write all that a folder holds beside the model files.

    weights: of the trained network.
    """
    architecture, preprocess = contents.architecture, contents.preprocess(stage)
    _public_architecture(architecture).save(stage / "architecture.json")
    write_text(stage / "labels.txt", "".join(f"{label_line(name)}\n" for name in contents.classes))
    preprocess.save(stage / "preprocess.json")
    write_json(stage / "report.json", _public_report(report))
    write_classify(stage, list(dict.fromkeys(file.format for file in contents.files)))
    write_model(stage, architecture.layers)
    shutil.copyfile(weights, stage / "weights.safetensors")
    entries = {file: report["files"][file.name] for file in contents.files}
    evaluated = Evaluated(report["pytorch_accuracy"], next(iter(entries.values()))["images"])
    rows = [_row(file, entry) for file, entry in entries.items()]
    write_readme(stage, rows, evaluated, contents.classes, preprocess, architecture.target)


def _row(file: ModelFile, entry: dict[str, Any]) -> FileRow:
    threads = "1 thread" if entry["threads"] == 1 else f"{entry['threads']} threads"
    kind = _kind(entry["measured_on"])
    place = f"{entry['runtime']}, {threads}" + ("" if kind == "local" else f", {kind}")
    ms = entry["measured_ms"] / entry["batch"]
    return FileRow(entry["file"], entry["accuracy"], entry["size_bytes"], ms, place, file.format.receiver.package)


def _kind(device: str) -> str:
    """Of a device what kind it is: names of hosts and users stay private."""
    return device.partition(":")[0]


def _public_architecture(architecture: Architecture) -> Architecture:
    """Without a target that only its owner can reach."""
    target = architecture.target
    return architecture if target is None or target.device == "local" else replace(architecture, target=None)


def _public_report(report: Report) -> Report:
    """Without names of hosts and users, and without paths."""
    kind, _, place = report["data"].partition(":")
    target = report["target"] and {**report["target"], "device": _kind(report["target"]["device"])}
    files = {name: {**entry, "measured_on": _kind(entry["measured_on"])} for name, entry in report["files"].items()}
    data = f"{kind}:{Path(place).name}" if place and kind != "hf" else report["data"]
    return {**report, "data": data, "target": target, "files": files}
