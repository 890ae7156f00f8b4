"""`proxyless predict`"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import FAILED, command, plural, print_json, reporting
from proxyless.cli.early import check_there
from proxyless.cli.options import Json
from proxyless.errors import InputError, printable

if TYPE_CHECKING:
    from proxyless.workflow.predict import Classifier, Prediction


@command
def predict(
    model: Annotated[Path, typer.Argument(help="An exported .onnx or .tflite file.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders that are searched for images.")],
    top: Annotated[int, typer.Option(help="Labels to print for each image.")] = 5,
    threads: Annotated[int, typer.Option(help="Threads that the runtime may use.")] = 1,
    json: Json = False,
) -> None:
    """Name what images show; milliseconds are those of the runtime alone, without reading and preparing the image.

    An image that cannot be read is named and left out; the exit code is then 1.

    Example: `proxyless predict model/model.int8.tflite photos --top 3`
    """
    for name, value in (("top", top), ("threads", threads)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    check_there("model", [model])
    check_there("image", images)
    from export.silence import silence
    from proxyless.workflow.predict import find_images, load_classifier

    files = find_images(images)
    with silence():  # runtimes greet on standard error
        classifier = load_classifier(model, threads)
    predictions, problems = _classify(classifier, files, top)
    if json:
        print_json(_document(classifier, threads, predictions, problems))
    else:
        _print(classifier, threads, predictions)
    if problems:
        raise typer.Exit(FAILED)


def _classify(classifier: "Classifier", files: list[Path], top: int) -> "tuple[list[Prediction], dict[Path, str]]":
    """What was predicted, and what is wrong with the images that were left out, which is said at once."""
    predictions, problems = [], {}
    with reporting("classifying", "images") as reporter:
        for done, file in enumerate(files):
            reporter.visits(done, len(files))
            try:
                predictions.append(classifier.classify(file, top))
            except InputError as error:
                problems[file] = str(error)
                sys.stderr.write(f"skipped: {printable(str(error))}\n")
    return predictions, problems


def _print(classifier: "Classifier", threads: int, predictions: "list[Prediction]") -> None:
    for prediction in predictions:
        lines = [f"{prediction.image}  {prediction.ms:.3g} ms"]
        lines += [f"{share:8.2%}  {label}" for label, share in prediction.top]
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    if predictions:
        sys.stdout.write(
            f"{plural(len(predictions), 'image')}, median {_median_ms(predictions):.3g} ms per image in "
            f"{classifier.runtime} alone, {plural(threads, 'thread')}\n"
        )


def _median_ms(predictions: "list[Prediction]") -> float:
    from statistics import median

    return median(prediction.ms for prediction in predictions)


def _document(
    classifier: "Classifier", threads: int, predictions: "list[Prediction]", problems: dict[Path, str]
) -> dict[str, Any]:
    return {
        "model": str(classifier.path),
        "runtime": classifier.runtime,
        "threads": threads,
        "median_ms": _median_ms(predictions) if predictions else None,
        "images": [
            {
                "image": str(prediction.image),
                "ms": prediction.ms,
                "top": [{"label": label, "probability": share} for label, share in prediction.top],
            }
            for prediction in predictions
        ],
        "skipped": [{"image": str(path), "problem": problem} for path, problem in problems.items()],
    }
