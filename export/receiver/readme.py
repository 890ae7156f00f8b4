"""The README of an export folder, for someone who has nothing but the folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.preprocess import Preprocess
from proxyless.errors import printable
from proxyless.files import write_text
from proxyless.space import BudgetedTarget

_SHOWN_LABELS = 20


@dataclass(frozen=True)
class FileRow:
    """What the README says of one model file.

    accuracy: share of the test images, 0 to 1. measured_ms: of one image. measured_on: the runtime and the kind of
    device, such as `litert, 1 thread`. package: that runs it, for pip.
    """

    file: str
    accuracy: float
    size_bytes: int
    measured_ms: float
    measured_on: str
    package: str


@dataclass(frozen=True)
class Evaluated:
    """What accuracies refer to: PyTorch's own, as a share of so many test images."""

    pytorch_accuracy: float
    images: int


def write_readme(
    folder: Path,
    files: Sequence[FileRow],
    evaluated: Evaluated,
    labels: Sequence[str],
    preprocess: Preprocess,
    target: BudgetedTarget | None,
) -> None:
    """`README.md` of an export folder."""
    write_text(folder / "README.md", receiver_readme(files, evaluated, labels, preprocess, target))


def receiver_readme(
    files: Sequence[FileRow],
    evaluated: Evaluated,
    labels: Sequence[str],
    preprocess: Preprocess,
    target: BudgetedTarget | None,
) -> str:
    """Markdown: the files and their figures, how to run them, labels, preprocessing."""
    sections = (
        _introduction(labels, preprocess),
        _figures(files, evaluated, target),
        _try_it(files),
        _preprocessing(preprocess),
        _labels(labels),
        _contents(files),
    )
    return "\n".join(sections)


def _introduction(labels: Sequence[str], preprocess: Preprocess) -> str:
    height, width = preprocess.size
    return (
        f"# An image classifier with {len(labels)} classes\n\n"
        f"Every model file here holds the same network, and any of them is enough. It takes RGB images of "
        f"{height} x {width} pixels and returns one logit per class, of which a softmax makes probabilities.\n"
    )


def _figures(files: Sequence[FileRow], evaluated: Evaluated, target: BudgetedTarget | None) -> str:
    lines = [
        "## Figures",
        "| file | test accuracy | MiB | ms per image | measured on |",
        "| --- | --- | --- | --- | --- |",
        *map(_figures_row, files),
        "",
        f"Accuracy is the share of {evaluated.images} test images; before it was exported the network had "
        f"{evaluated.pytorch_accuracy:.2%} (PyTorch, float32).",
    ]
    if target is not None:
        threads = "1 thread" if target.threads == 1 else f"{target.threads} threads"
        lines.append(f"It was chosen for a budget of {target.budget_ms:.4g} ms on {target.runtime}, {threads}.")
    return "\n".join(lines) + "\n"


def _figures_row(row: FileRow) -> str:
    size_mib = row.size_bytes / 2**20
    return f"| `{row.file}` | {row.accuracy:.2%} | {size_mib:.2f} | {row.measured_ms:.3g} | {row.measured_on} |"


def _try_it(files: Sequence[FileRow]) -> str:
    first = files[0].file
    packages = dict.fromkeys(row.package for row in files)
    return (
        "## Try it\n"
        "```console\n"
        f"$ pip install numpy pillow {next(iter(packages))}\n"
        "$ python classify.py photo.jpg\n"
        f"$ python classify.py {first} photo.jpg another.png\n"
        "```\n\n"
        f"One runtime is enough ({' or '.join(packages)}). `classify.py` is short, and shows all that a program of "
        "your own has to do. In PyTorch:\n\n"
        "```python\n"
        "from model import load  # model.py and weights.safetensors, with no package but torch\n\n"
        "network = load()\n"
        "```\n"
    )


def _preprocessing(preprocess: Preprocess) -> str:
    height, width = preprocess.size
    rows = [f"| `{name}` | {entry.layout} | {entry.dtype} |" for name, entry in preprocess.files.items()]
    lines = [
        "## Preprocessing",
        f"1. Turn the image upright (EXIF), make it RGB, resize so that it covers {height} x {width} (bilinear), and "
        "cut out the centre.",
        f"2. Divide by 255, subtract {_numbers(preprocess.mean)}, divide by {_numbers(preprocess.std)}; per channel.",
        "3. Arrange as the file wants it:",
        "",
        "| file | layout | type |",
        "| --- | --- | --- |",
        *rows,
        "",
        "A file of type int8 or uint8 has scale and zero point of its input and output inside: the input is "
        "`round(x / scale) + zero_point`, and a logit is `(y - zero_point) * scale`. `preprocess.json` has all of "
        "this for programs, and so have the metadata in the files.",
    ]
    return "\n".join(lines) + "\n"


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _labels(labels: Sequence[str]) -> str:
    shown = ", ".join(map(_as_text, labels[:_SHOWN_LABELS]))
    more = f", and {len(labels) - _SHOWN_LABELS} more" if len(labels) > _SHOWN_LABELS else ""
    return f"## Labels\n`labels.txt` has one per line, in the order of the logits: {shown}{more}.\n"


def _as_text(label: str) -> str:
    """A name of anybody's: neither HTML nor Markdown."""
    return re.sub(r"([\\`*\[\]<>|&])", r"\\\1", printable(label))


def _contents(files: Sequence[FileRow]) -> str:
    rows = (
        *((f"`{row.file}`", "the network") for row in files),
        ("`classify.py`", "names what images show"),
        ("`labels.txt`, `preprocess.json`", "what the outputs mean, how inputs are made"),
        ("`model.py`, `weights.safetensors`", "the same network for PyTorch"),
        ("`architecture.json`", "the network's operations, for the program that found it"),
        ("`report.json`", "every check that the files passed, with its figure"),
    )
    return "## Files\n| file | |\n| --- | --- |\n" + "".join(f"| {name} | {what} |\n" for name, what in rows)
