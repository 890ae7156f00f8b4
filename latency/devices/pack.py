"""A job as files: what the timing program reads."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latency.devices.base import Job

PROGRAM = Path(__file__).with_name("program.py")
GUARD = Path(__file__).with_name("guard.py")

Files = Mapping[str, Path | bytes]
"""Content by name on the device."""


def describe(job: Job, runner: str, items: Mapping[str, str]) -> dict[str, Any]:
    """The job as the timing program reads it; file names are relative to the folder of the description."""
    return {
        "runner": runner,
        "items": dict(items),
        "schedule": job.schedule,
        "threads": job.threads,
        "delegate": job.delegate,
        "batch": job.batch,
        "warmup_ms": job.warmup_ms,
        "visit_ms": job.visit_ms,
        "min_runs": job.min_runs,
        "max_runs": job.max_runs,
        "shapes": None if job.shapes is None else {name: list(shape) for name, shape in job.shapes.items()},
        "memory": job.memory,
    }


@dataclass(frozen=True)
class Package:
    """All files of a job, named by their content, and which of them is what.

    folder: a name for their folder, the same whatever part of the schedule is left.
    """

    folder: str
    files: Files
    guard: str
    program: str
    job: str


def pack(job: Job) -> Package:
    """The files to ship. A name says the content, so that what is there already need not be sent again."""
    runner, program, guard = (content_name(path) for path in (job.runner, PROGRAM, GUARD))
    items = {item: content_name(path) for item, path in job.items.items()}
    description = json.dumps(describe(job, runner, items)).encode()
    name = content_name(description)
    models = {items[item]: path for item, path in job.items.items()}
    files: Files = {guard: GUARD, program: PROGRAM, runner: job.runner, **models, name: description}
    return Package(folder_name(files.keys() - {name}), files, guard, program, name)


def folder_name(names: Iterable[str]) -> str:
    """A name for files of this content."""
    return hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:DIGITS]


def content_name(content: Path | bytes) -> str:
    """The beginning of the SHA-256, and the suffix of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()[:DIGITS] + ".json"
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS] + content.suffix


DIGITS = 20
