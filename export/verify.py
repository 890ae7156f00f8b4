"""Does an exported file do what PyTorch does? Named checks, each with its figure and its limit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.format import Format

MAX_RELATIVE_ERROR = 1e-3
"""Largest difference of a logit from PyTorch's, relative to the largest logit."""
MIN_AGREEMENT = 0.998
"""Share of images whose top class must be PyTorch's; ties may fall either way."""


@dataclass(frozen=True)
class Check:
    """A promise about a file, what was found, and the limit that it must keep."""

    name: str
    passed: bool
    value: float
    limit: float
    unit: str = ""

    def __str__(self) -> str:
        state = "passed" if self.passed else "FAILED"
        return f"{self.name}: {state} ({self.value:.4g}{self.unit}, limit {self.limit:.4g}{self.unit})"


@dataclass(frozen=True)
class FileReport:
    """What is known of one exported file. accuracy: share from 0 to 1 on `images` test images."""

    file: str
    layout: str
    runtime: str
    size_bytes: int
    images: int
    accuracy: float
    max_abs_error: float
    top1_agreement: float
    operators: dict[str, int]
    checks: list[Check]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def verify(
    format_: Format, path: Path, images: np.ndarray, labels: np.ndarray, expected: np.ndarray, strided: int
) -> FileReport:
    """Run a file on test images and compare with PyTorch.

    images: normalised float32 (N, 3, H, W). labels: (N,). expected: PyTorch's logits (N, classes).
    strided: convolutions of the network with a stride; each may need one explicit padding, nothing else does.
    """
    logits = format_.run(path, images)
    error = float(np.abs(logits - expected).max())
    agreement = float(np.mean(logits.argmax(1) == expected.argmax(1)))
    found = format_.operators(path)
    limit = MAX_RELATIVE_ERROR * float(np.abs(expected).max())
    unwanted = sum(found[name] for name in format_.unwanted)
    paddings = found["PAD"] + found["Pad"]
    return FileReport(
        file=path.name,
        layout=format_.layout,
        runtime=format_.runtime,
        size_bytes=path.stat().st_size,
        images=len(images),
        accuracy=float(np.mean(logits.argmax(1) == labels)),
        max_abs_error=error,
        top1_agreement=agreement,
        operators=dict(found),
        checks=[
            Check(f"{path.name}: largest error of a logit", error <= limit, error, limit),
            Check(f"{path.name}: same top class as PyTorch", agreement >= MIN_AGREEMENT, agreement, MIN_AGREEMENT),
            Check(f"{path.name}: operators {'/'.join(format_.unwanted)}", unwanted == 0, unwanted, 0),
            Check(f"{path.name}: explicit paddings", paddings <= strided, paddings, strided),
        ],
    )


def failed(checks: Sequence[Check]) -> list[Check]:
    """The checks that did not pass."""
    return [check for check in checks if not check.passed]
