"""Name what images show, with an exported file."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from export.format import Format
from export.formats import format_of
from export.metadata import LABELS, PREPROCESSING
from export.preprocess import Preprocess
from export.receiver.classify import prepare, probabilities
from latency.deployed import check_file
from latency.runtimes import find_runtime
from proxyless.data.decode import pixels_of
from proxyless.data.folders import say_left_out, scan
from proxyless.data.reader import without_warnings
from proxyless.errors import InputError, said
from proxyless.files import first_problem

Run = Any
"""Float32 images to float32 logits (1, classes)."""


@dataclass(frozen=True)
class Prediction:
    """The most probable labels of an image with their probabilities, and the time that the runtime took alone."""

    image: Path
    top: list[tuple[str, float]]
    ms: float


@dataclass(frozen=True)
class Classifier:
    """An exported file, ready to run. shape: of its input."""

    path: Path
    runtime: str
    labels: Sequence[str]
    preprocess: Preprocess
    run: Run
    shape: Sequence[Any]

    def classify(self, image: Path, top: int = 5) -> Prediction:
        """The most probable labels of an image file.

        Raises:
            InputError: not an image, a damaged one, or one that is too large.
        """
        how = self.preprocess
        with without_warnings():
            pixels = pixels_of(image, *how.size, name=str(image))
        prepared = prepare(pixels, how.mean, how.std, self.shape)
        start = time.perf_counter()
        logits = self.run(prepared)
        ms = 1000 * (time.perf_counter() - start)
        shares = probabilities(logits[0])
        order = np.argsort(-shares, kind="stable")[:top]
        return Prediction(image, [(self.labels[index], float(shares[index])) for index in order], ms)


def predict(model: Path | str, images: Sequence[Path | str], top: int = 5, threads: int = 1) -> list[Prediction]:
    """Name what images show, with any file of an export folder; folders are searched for images.

    Raises:
        InputError: no images, a damaged one, or a file that cannot be used.
    """
    classifier = load_classifier(Path(model), threads)
    return [classifier.classify(image, top) for image in find_images([Path(image) for image in images])]


def load_classifier(path: Path, threads: int = 1) -> Classifier:
    """Load a file and run it once; labels and preprocessing are those in the file, else those beside it.

    Raises:
        InputError: missing, damaged, not a classifier of images, or labels and preprocessing that do not fit it.
    """
    format_ = format_of(path)
    check_file(path)
    runtime = find_runtime(format_.runtime)
    runtime.require()
    labels, preprocess = _description(path, format_)
    try:
        run, shape = format_.receiver.load(path, threads)
    except Exception as error:
        raise InputError(f"{path} cannot be loaded ({said(error)}); export it again") from None
    classifier = Classifier(path, runtime.name, labels, preprocess, run, shape)
    _check(classifier)
    return classifier


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The files that are given, and the images in the folders that are given, at any depth and sorted.

    Raises:
        InputError: a path that does not exist, or no images at all.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_images_in(path)))
        elif path.is_file():
            found[path] = None
        else:
            raise InputError(f"image not found: {path}; check the path")
    if not found:
        raise InputError(f"no images in {', '.join(map(str, paths))}; give image files, or folders that hold some")
    return list(found)


def _images_in(folder: Path) -> list[Path]:
    found = scan(folder)
    say_left_out(folder, found.left_out)
    return found.images


def _description(path: Path, format_: Format) -> tuple[list[str], Preprocess]:
    """Labels and preprocessing of a model file."""
    entries = format_.read_entries(path)
    if LABELS in entries and PREPROCESSING in entries:
        return _from_metadata(path, entries)
    labels, preprocess = path.with_name("labels.txt"), path.with_name("preprocess.json")
    if not (labels.is_file() and preprocess.is_file()):
        raise InputError(
            f"{path} has no labels and preprocessing inside; put labels.txt and preprocess.json of its export beside it"
        )
    try:
        lines = labels.read_text(encoding="utf-8-sig").rstrip("\r\n").split("\n")
        return [line.rstrip("\r") for line in lines], Preprocess.load(preprocess)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{labels} cannot be read: {error}") from None


def _from_metadata(path: Path, entries: dict[str, str]) -> tuple[list[str], Preprocess]:
    try:
        labels = json.loads(entries[LABELS])
        preprocess = Preprocess.model_validate(json.loads(entries[PREPROCESSING]))
    except ValidationError as error:
        raise InputError(f"the preprocessing in {path} is not valid: {first_problem(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the metadata in {path} are damaged ({error}); export it again") from None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError(f"the labels in {path} are not a list of names; export it again")
    return labels, preprocess


def _check(classifier: Classifier) -> None:
    """Run the file once on an empty image: it must take what preprocessing makes, and return a logit per label."""
    path, (height, width) = classifier.path, classifier.preprocess.size
    shape = list(classifier.shape)
    if shape[1:] not in ([height, width, 3], [3, height, width]):
        raise InputError(
            f"{path} takes an input of the shape {shape}, not RGB images of {height} x {width} as its preprocessing "
            "says; give the preprocess.json of its own export"
        )
    try:
        logits = classifier.run(np.zeros([1, *shape[1:]], np.float32))
    except Exception as error:
        raise InputError(f"{path} cannot be run on one image ({said(error)}); export it again") from None
    count = len(classifier.labels)
    if logits.shape != (1, count):
        raise InputError(
            f"{path} returns an output of the shape {list(logits.shape)}, but there are {count} labels; "
            "give the labels.txt of its own export"
        )
