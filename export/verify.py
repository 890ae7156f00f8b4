"""Does an exported file do what PyTorch does?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.checks import LIMITS, Check, Expected, at_least, at_most, structure_checks
from export.format import Format, Model, ModelFile

_SINGLE_IMAGES = 8
"""Images that are run one at a time too."""


@dataclass(frozen=True)
class Reference:
    """What PyTorch makes of the test images.

    batches: gives them anew, normalised float32 (n, 3, H, W). labels: (N,). logits: (N, classes).
    """

    batches: Callable[[], Iterator[np.ndarray]]
    labels: np.ndarray
    logits: np.ndarray

    @property
    def accuracy(self) -> float:
        return share(self.logits.argmax(1) == self.labels)

    def loss_points(self, logits: np.ndarray) -> float:
        """Accuracy lost against PyTorch, in percentage points."""
        return 100 * (self.accuracy - share(logits.argmax(1) == self.labels))


@dataclass(frozen=True)
class FileReport:
    """What is known of one exported file. accuracy: share from 0 to 1 on `images` test images."""

    file: str
    dtype: str
    recipe: str | None
    layout: str
    runtime: str
    size_bytes: int
    images: int
    accuracy: float
    loss_points: float
    max_abs_error: float
    top1_agreement: float
    operators: dict[str, int]
    checks: list[Check]

    def document(self) -> dict[str, Any]:
        """Without the checks: those of all files are one list."""
        return {name: value for name, value in asdict(self).items() if name != "checks"}


def evaluate(format_: Format, path: Path, reference: Reference) -> np.ndarray:
    """Logits (N, classes) of a file for the test images.

    Raises:
        CheckError: the file does not load.
    """
    model = format_.tools.load(path)
    return np.concatenate([model(images) for images in reference.batches()])


def verify(
    file: ModelFile,
    path: Path,
    reference: Reference,
    expected: Expected,
    recipe: str | None = None,
    max_loss_points: float | None = None,
) -> FileReport:
    """Examine a file, run it on the test images and compare with PyTorch.

    recipe: that the file was made with. max_loss_points: instead of the limit of its dtype.

    Raises:
        CheckError: the file is not valid, or does not load.
    """
    found = file.format.tools.structure(path)
    logits = evaluate(file.format, path, reference)
    float_layers = _float_layers(file, recipe)
    metadata = sum(len(text.encode()) for text in file.format.read_entries(path).values())
    size_limit = expected.size_limit_bytes(file.dtype, found, ends_in_float=bool(float_layers), metadata=metadata)
    checks = [
        Check("valid, and loads", True, 1, 1),
        *structure_checks(found, expected, file.format.unwanted, float_layers),
        *numeric_checks(file, logits, reference, max_loss_points),
        *_repeat_checks(file.format, path, logits, reference, LIMITS[file.dtype].batch_error),
        at_most("size", path.stat().st_size, size_limit, " bytes"),
    ]
    return FileReport(
        file=path.name,
        dtype=file.dtype,
        recipe=recipe,
        layout=file.format.layout,
        runtime=file.format.runtime,
        size_bytes=path.stat().st_size,
        images=len(logits),
        accuracy=share(logits.argmax(1) == reference.labels),
        loss_points=reference.loss_points(logits),
        max_abs_error=float(np.abs(logits - reference.logits).max()),
        top1_agreement=share(logits.argmax(1) == reference.logits.argmax(1)),
        operators=dict(found.operators),
        checks=[named(file, check) for check in checks],
    )


def named(file: ModelFile, check: Check) -> Check:
    """The check with the file's name before its own."""
    return Check(f"{file.file_name}: {check.name}", check.passed, check.value, check.limit, check.unit)


def _float_layers(file: ModelFile, recipe: str | None) -> int | None:
    if file.dtype != "int8":
        return None
    return next((entry.float_layers for entry in file.format.tools.recipes["int8"] if entry.name == recipe), 0)


def numeric_checks(
    file: ModelFile, logits: np.ndarray, reference: Reference, max_loss_points: float | None
) -> list[Check]:
    """Whether logits (N, classes) are what PyTorch computes, as far as the dtype allows, but for one image.

    max_loss_points: instead of the limit of the dtype.
    """
    limits = LIMITS[file.dtype]
    error = float(np.abs(logits - reference.logits).max())
    agreement = share(logits.argmax(1) == reference.logits.argmax(1))
    loss = limits.loss_points if max_loss_points is None else max_loss_points
    one_image = 1 / len(logits) + 1e-9  # no share of few images is finer
    return [
        at_most("largest error of a logit", error, limits.relative_error * _largest(reference.logits)),
        at_least("same top class as PyTorch", agreement, min(limits.agreement, 1 - one_image)),
        at_most("accuracy lost", reference.loss_points(logits), max(loss, 100 * one_image), " points"),
    ]


def _repeat_checks(
    format_: Format, path: Path, logits: np.ndarray, reference: Reference, batch_error: float
) -> list[Check]:
    """Images one at a time, and a second load."""
    images = next(reference.batches())
    again = format_.tools.load(path)
    repeated = again(images)
    single = _one_by_one(again, images[:_SINGLE_IMAGES])
    return [
        at_most("difference between two loads", float(np.abs(repeated - logits[: len(images)]).max()), 0),
        at_most(
            "difference between one image and several at a time",
            float(np.abs(single - logits[: len(single)]).max()),
            batch_error * _largest(logits),
        ),
    ]


def _one_by_one(model: Model, images: np.ndarray) -> np.ndarray:
    return np.concatenate([model(image[None]) for image in images])


def _largest(logits: np.ndarray) -> float:
    return float(np.abs(logits).max())


def share(hits: Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(hits))
