"""What an exported file says of itself, inside the file: who made it, its labels, its preprocessing, its target."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.formats import format_of
from export.preprocess import Preprocess
from proxyless import __version__
from proxyless.space import BudgetedTarget

LABELS, PREPROCESSING = "labels", "preprocessing"


def describe_entries(
    labels: Sequence[str], preprocess: Preprocess, file_name: str, target: BudgetedTarget | None = None
) -> dict[str, str]:
    """The entries of one file. Of the device there is what kind it is: host names and paths stay private."""
    entries = {
        "producer": f"proxyless {__version__}",
        LABELS: json.dumps(list(labels), ensure_ascii=False),
        PREPROCESSING: preprocess.of_file(file_name).model_dump_json(),
    }
    if target is not None:
        entries["budget"] = json.dumps({"budget_ms": target.budget_ms, "predicted_ms": target.predicted_ms})
        device = {"device": target.device.partition(":")[0], **target.model_dump(include=_DEVICE)}
        entries["device"] = json.dumps(device)
    return entries


_DEVICE = {"runtime", "threads", "batch", "delegate", "dtype"}


def write_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Put entries into an exported file, in place of those of the same names; what it computes stays.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    format_of(path).describe(path, entries)


def read_metadata(path: Path) -> dict[str, str]:
    """The entries of an exported file; empty where it has none.

    Raises:
        InputError: another kind of file, or a damaged one.
    """
    return format_of(path).read_entries(path)
