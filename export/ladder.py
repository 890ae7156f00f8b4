"""Make the files of other dtypes, with the first recipe that loses little accuracy."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.checks import failed
from export.convert import make_file
from export.format import ModelFile
from export.verify import Reference, evaluate, numeric_checks


@dataclass(frozen=True)
class Attempt:
    """A recipe that was tried. loss_points: percentage points of accuracy that its file loses against PyTorch.

    failed: the checks against PyTorch that it did not pass.
    """

    recipe: str
    loss_points: float
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """How a file of another dtype was made: the recipes that were tried, the last of which was kept if any was."""

    attempts: tuple[Attempt, ...]
    kept: bool

    @property
    def recipe(self) -> str:
        return self.attempts[-1].recipe


def quantize(
    file: ModelFile, folder: Path, images: np.ndarray, reference: Reference, max_loss_points: float | None
) -> Made:
    """Write a file beside the float32 one, with the first recipe whose file does what PyTorch does.

    images: for calibration, normalised float32 (N, 3, H, W). max_loss_points: of accuracy that it may lose; None for
    the limit of its dtype. There is no file where every recipe fails.

    Raises:
        CheckError: the quantizer failed, or a file does not load.
    """
    source, target = folder / ModelFile(file.format).file_name, folder / file.file_name
    attempts: list[Attempt] = []
    for recipe in file.format.tools.recipes[file.dtype]:
        make_file(file, recipe.name, source, target, images)
        logits = evaluate(file.format, target, reference)
        broken = tuple(map(str, failed(numeric_checks(file, logits, reference, max_loss_points))))
        attempts.append(Attempt(recipe.name, reference.loss_points(logits), broken))
        if not broken:
            return Made(tuple(attempts), kept=True)
    target.unlink()
    return Made(tuple(attempts), kept=False)
