"""Convert a trained network and quantize the files, each in a process of its own.

Converters and quantizers are large, talkative and slow: processes keep their memory and messages apart and let them
run side by side.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from export.dtypes import Dtype
from export.format import Format, ModelFile
from export.formats import find_formats
from proxyless.errors import CheckError
from proxyless.lifetime import die_with_parent
from proxyless.nn import build_network, load_weights
from proxyless.space import Architecture
from proxyless.temporary import temporary_folder


def convert_all(formats: Sequence[Format], architecture: Architecture, weights: Path, folder: Path) -> None:
    """Write the float32 file of every format into the folder.

    Raises:
        CheckError: a conversion failed.
    """
    with temporary_folder() as work:
        saved = work / "architecture.json"
        architecture.save(saved)
        _run(
            {
                f"converting to {format_.name}": [
                    "convert",
                    format_.name,
                    str(saved),
                    str(weights.resolve()),
                    str(folder / ModelFile(format_).file_name),
                ]
                for format_ in formats
            }
        )


def make_file(file: ModelFile, recipe: str, source: Path, target: Path, images: np.ndarray) -> None:
    """Write a file of another dtype from the float32 one.

    images: for calibration, normalised float32 (N, 3, H, W).

    Raises:
        CheckError: the quantizer failed.
    """
    with temporary_folder() as work:
        calibration = work / "images.npy"
        np.save(calibration, images, allow_pickle=False)
        arguments = ["make", file.format.name, file.dtype, recipe, str(source), str(target), str(calibration)]
        _run({f"writing {file.file_name} ({recipe})": arguments})


def _run(jobs: Mapping[str, Sequence[str]]) -> None:
    """Run this module's commands side by side."""
    with temporary_folder() as work:
        logs = {job: work / f"{number}.log" for number, job in enumerate(jobs)}
        processes = {job: _start(arguments, logs[job]) for job, arguments in jobs.items()}
        try:
            codes = {job: process.wait() for job, process in processes.items()}
        finally:
            for process in processes.values():
                process.kill()
        for job, code in codes.items():
            _check(job, code, logs[job].read_text(errors="replace"))


def _start(arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "export.convert", str(os.getpid()), *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603


def _check(job: str, code: int, log: str) -> None:
    if code == 0:
        return
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    reason = lines[-1] if lines else f"exit code {code}"
    raise CheckError(f"{job} failed: {reason}")


def _convert(name: str, architecture_path: str, weights: str, output: str) -> None:
    architecture = Architecture.load(Path(architecture_path))
    network = build_network(architecture.layers)
    load_weights(Path(weights), network)
    (format_,) = find_formats([name])
    format_.tools.convert(network.eval(), architecture.resolution, Path(output))


def _make(name: str, dtype: Dtype, recipe: str, source: str, target: str, calibration: str) -> None:
    (format_,) = find_formats([name])
    (chosen,) = (entry for entry in format_.tools.recipes[dtype] if entry.name == recipe)
    chosen.make(Path(source), Path(target), np.load(calibration, allow_pickle=False))


_COMMANDS: dict[str, Callable[..., None]] = {"convert": _convert, "make": _make}

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    _COMMANDS[sys.argv[2]](*sys.argv[3:])
