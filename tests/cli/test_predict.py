"""`proxyless predict`: exported files on images of all kinds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from export.metadata import describe_entries, write_metadata
from export.preprocess import FileInput, Preprocess
from latency.writers.graph import lower
from latency.writers.onnx import write_onnx
from latency.writers.tflite import write_tflite
from proxyless.cli.main import app
from proxyless.data.augment import normalise
from proxyless.data.decode import decode
from tests.data.images import empty_png
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights

_LABELS = [f"class {index}" for index in range(8)] + ["[red]", "Käse\x1b[2J"]
_FILES = {"model.onnx": FileInput(layout="NCHW"), "model.tflite": FileInput(layout="NHWC")}
_PREPROCESS = Preprocess(size=(32, 32), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), files=_FILES)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """Both formats with labels and preprocessing beside them, and a network that does the same."""
    folder = tmp_path_factory.mktemp("bundle")
    found = architecture(MIXED_OPS)
    network = deployable(found.layers)
    for write, name in ((write_onnx, "model.onnx"), (write_tflite, "model.tflite")):
        write(lower(found.layers, folded_weights(network), batch=1), folder / name)
    _PREPROCESS.save(folder / "preprocess.json")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in _LABELS), encoding="utf-8")
    return folder, network


@pytest.fixture
def work(bundle: tuple[Path, torch.nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundle as `model`, and a folder of images with all kinds of files in it."""
    shutil.copytree(bundle[0], tmp_path / "model")
    (tmp_path / "photos" / "more" / "empty").mkdir(parents=True)
    for index, name in enumerate(("b.png", "a.JPG", "more/c.webp")):
        noise = np.random.default_rng(index).integers(0, 256, (5 + index, 7, 3), np.uint8)
        Image.fromarray(noise).resize((60, 50)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _invoke(arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["predict", *arguments.split()])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def _expected(network: torch.nn.Module, path: Path) -> list[float]:
    image = torch.from_numpy(decode(path, 32, "image").copy())[None].float().div(255)
    with torch.no_grad():
        logits = network(normalise(image, torch.tensor(_PREPROCESS.mean), torch.tensor(_PREPROCESS.std)))
    return list(logits[0].softmax(0).tolist())


@pytest.mark.parametrize("name", _FILES)
def test_folders_are_searched_and_probabilities_are_those_of_pytorch(
    name: str, work: Path, bundle: tuple[Path, torch.nn.Module]
) -> None:
    code, stdout, stderr = _invoke(f"model/{name} photos photos/b.png --top 10 --json")
    document = json.loads(stdout)
    assert code == 0 and stderr == "" and document["skipped"] == []
    found = {entry["image"]: entry for entry in document["images"]}
    assert list(found) == ["photos/a.JPG", "photos/b.png", "photos/more/c.webp"]
    for path, entry in found.items():
        expected = _expected(bundle[1], Path(path))
        assert entry["ms"] > 0
        assert [share["probability"] for share in entry["top"]] == pytest.approx(
            sorted(expected, reverse=True), abs=1e-5
        )
        assert {share["label"]: share["probability"] for share in entry["top"]} == pytest.approx(
            dict(zip(_LABELS, expected, strict=True)), abs=1e-5
        )


def test_what_is_printed_is_plain_text(work: Path) -> None:
    code, stdout, stderr = _invoke("model/model.onnx photos/b.png --top 10")
    lines = stdout.splitlines()
    assert code == 0 and stderr == "" and len(lines) == 12
    assert lines[0].startswith("photos/b.png  ") and lines[0].endswith(" ms")
    assert any(line.endswith("%  [red]") for line in lines) and any(line.endswith("Käse\\x1b[2J") for line in lines)
    assert lines[-1].startswith("1 image, median ") and lines[-1].endswith(" per image in onnxruntime alone, 1 thread")


@pytest.mark.parametrize("name", _FILES)
def test_a_file_with_metadata_needs_nothing_beside_it(name: str, work: Path) -> None:
    before = _invoke(f"model/{name} photos --json")[1]
    alone = work / f"renamed{Path(name).suffix}"
    shutil.copy(work / "model" / name, alone)
    code, _, stderr = _invoke(f"{alone.name} photos")
    assert code == 2 and stderr == (
        f"error: {alone.name} has no labels and preprocessing inside; put labels.txt and preprocess.json of its export "
        "beside it\n"
    )
    write_metadata(alone, describe_entries(_LABELS, _PREPROCESS, name))
    code, stdout, _ = _invoke(f"{alone.name} photos --json")
    tops = [[entry["top"] for entry in json.loads(text)["images"]] for text in (before, stdout)]
    assert code == 0 and tops[0] == tops[1]


def test_images_that_cannot_be_read_are_named_and_left_out(work: Path) -> None:
    (work / "photos" / "b.png").write_bytes((work / "photos" / "b.png").read_bytes()[:200])
    (work / "photos" / "huge.png").write_bytes(empty_png(20_000))
    code, stdout, stderr = _invoke("model/model.tflite photos photos/notes.txt --top 1")
    assert code == 1
    assert [line.split("  ")[0] for line in stdout.splitlines()[:-1:2]] == ["photos/a.JPG", "photos/more/c.webp"]
    damaged, huge, text = stderr.splitlines()
    assert damaged.startswith("skipped: photos/b.png is not a readable image (")
    assert huge.startswith("skipped: photos/huge.png is not a readable image (") and "400000000 pixels" in huge
    assert text.startswith("skipped: photos/notes.txt is not a readable image (cannot identify image file")


def test_when_all_images_are_left_out(work: Path) -> None:
    code, stdout, stderr = _invoke("model/model.tflite photos/notes.txt --json")
    document = json.loads(stdout)
    assert code == 1 and document["images"] == [] and document["median_ms"] is None
    assert [entry["image"] for entry in document["skipped"]] == ["photos/notes.txt"] and stderr.count("\n") == 1


def _wrong_labels(work: Path) -> None:
    (work / "model" / "labels.txt").write_text("cat\ndog\n")


def _wrong_size(work: Path) -> None:
    _PREPROCESS.model_copy(update={"size": (32, 40)}).save(work / "model" / "preprocess.json")


def _truncated(work: Path) -> None:
    for name in _FILES:
        path = work / "model" / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _text(work: Path) -> None:
    for name in _FILES:
        (work / "model" / name).write_text("hello")


def _damaged_metadata(work: Path) -> None:
    for name in _FILES:
        write_metadata(work / "model" / name, {"labels": "{", "preprocessing": "{}"})


def _labels_that_are_no_list(work: Path) -> None:
    entries = describe_entries(_LABELS, _PREPROCESS, "model.onnx")
    for name in _FILES:
        write_metadata(work / "model" / name, {**entries, "labels": '{"a": 1}'})


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _wrong_labels,
            "returns an output of the shape [1, 10], but there are 2 labels; give the labels.txt of its own",
        ),
        (_wrong_size, "not RGB images of 32 x 40 as its preprocessing says"),
        (_truncated, "; export it again"),
        (_text, "; export it again"),
        (_damaged_metadata, "are damaged"),
        (_labels_that_are_no_list, "are not a list of names; export it again"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(name: str, damage: object, message: str, work: Path) -> None:
    assert callable(damage)
    damage(work)
    code, stdout, stderr = _invoke(f"model/{name} photos")
    assert code == 2 and stdout == "" and message in stderr
    assert stderr.startswith("error: ") and stderr.count("\n") == 1 and f"model/{name}" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("model/model.onnx photos/more/empty", "no images in photos/more/empty; give image files, or folders"),
        ("model/model.onnx gone.png", "image not found: gone.png; check the path"),
        ("model/model.onnx photos --top 0", "top must be at least 1, got 0"),
        ("model/model.onnx photos --threads 0", "threads must be at least 1, got 0"),
        ("model/gone.onnx photos", "model not found: model/gone.onnx"),
        ("model/labels.txt photos", "has an unknown suffix; give a file ending in .onnx or .tflite"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments: str, message: str, work: Path) -> None:
    code, stdout, stderr = _invoke(arguments)
    assert code == 2 and stdout == "" and message in stderr
    assert stderr.startswith("error: ") and stderr.count("\n") == 1


def test_from_python(work: Path) -> None:
    from proxyless.workflow import predict

    first, *others = predict("model/model.onnx", ["photos"], top=2)
    assert (
        len(others) == 2
        and first.image == Path("photos/a.JPG")
        and len(first.top) == 2
        and first.top[0][1] >= first.top[1][1]
    )
