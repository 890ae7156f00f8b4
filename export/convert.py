"""Convert a trained network, each format in a process of its own.

The converters are large, talkative and slow: processes keep their memory and messages apart and let them
run side by side.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from export.format import Format
from export.formats import FORMATS
from proxyless.errors import CheckError
from proxyless.nn import build_network, load_weights
from proxyless.space import Architecture


def convert_all(formats: Sequence[Format], architecture: Architecture, weights: Path, folder: Path) -> None:
    """Write `folder/<file name>` for every format.

    Raises:
        InputError: a converter is not installed.
        CheckError: a conversion failed.
    """
    for format_ in formats:
        format_.require()
    with tempfile.TemporaryDirectory(prefix="proxyless-") as name:
        architecture.save(Path(name) / "architecture.json")
        arguments = [str(Path(name) / "architecture.json"), str(weights.resolve())]
        jobs = [_start(format_, arguments, folder, Path(name) / f"{format_.name}.log") for format_ in formats]
        try:
            codes = [job.wait() for job in jobs]
        finally:
            for job in jobs:
                job.kill()
        for format_, code in zip(formats, codes, strict=True):
            _check(format_, code, (Path(name) / f"{format_.name}.log").read_text(errors="replace"))


def _start(format_: Format, arguments: list[str], folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "export.convert", format_.name, *arguments, str(folder / format_.file_name)]
    with log.open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603


def _check(format_: Format, code: int, log: str) -> None:
    if code == 0:
        return
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    reason = lines[-1] if lines else f"exit code {code}"
    raise CheckError(f"converting to {format_.name} failed: {reason}")


def _main(name: str, architecture_path: str, weights: str, output: str) -> None:
    architecture = Architecture.load(Path(architecture_path))
    network = build_network(architecture.layers)
    load_weights(Path(weights), network)
    FORMATS[name].convert(network.eval(), architecture.space.resolution, Path(output))


if __name__ == "__main__":
    _main(*sys.argv[1:])
