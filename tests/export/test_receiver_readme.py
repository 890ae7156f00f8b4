"""The receiver's README says what is in the folder, with the figures that were given, and nothing private."""

from pathlib import Path

from export.preprocess import FileInput, Preprocess
from export.receiver.readme import Evaluated, FileRow, receiver_readme, write_readme
from proxyless.space import BudgetedTarget

_PREPROCESS = Preprocess(
    size=(32, 48),
    mean=(0.25, 0.5, 0),
    std=(0.125, 1, 2),
    files={"model.onnx": FileInput(layout="NCHW"), "model.int8.tflite": FileInput(layout="NHWC", dtype="int8")},
)
_FILES = [
    FileRow("model.onnx", 0.9123, 3 * 2**20, 0.2071, "onnxruntime, 1 thread", "onnxruntime"),
    FileRow("model.int8.tflite", 0.9, 2**19, 12.34, "litert, 1 thread", "ai-edge-litert"),
]
_TARGET = BudgetedTarget(
    device="ssh://me@home", runtime="litert", threads=1, batch=1, delegate="", budget_ms=15, predicted_ms=1
)


def test_every_file_is_there_with_its_figures() -> None:
    text = receiver_readme(_FILES, Evaluated(0.9125, 500), ["cat", "dog"], _PREPROCESS, _TARGET)
    assert "| `model.onnx` | 91.23% | 3.00 | 0.207 | onnxruntime, 1 thread |" in text
    assert "| `model.int8.tflite` | 90.00% | 0.50 | 12.3 | litert, 1 thread |" in text
    assert "500 test images" in text and "91.25%" in text and "budget of 15 ms on litert, 1 thread" in text
    assert "32 x 48" in text and "subtract (0.25, 0.5, 0), divide by (0.125, 1, 2)" in text
    assert "| `model.int8.tflite` | NHWC | int8 |" in text and "the order of the logits: cat, dog." in text
    assert "home" not in text


def test_names_of_classes_are_neither_html_nor_markdown() -> None:
    labels = ["<script>alert(1)</script>", "[a](http://b)", "golden_retriever", "x\x1b[31m"]
    text = receiver_readme(_FILES, Evaluated(0.9, 5), labels, _PREPROCESS, None)
    assert r"\<script\>alert(1)\</script\>, \[a\](http://b), golden_retriever, x\\x1b\[31m." in text


def test_only_packages_that_the_files_need_are_named() -> None:
    text = receiver_readme(_FILES[1:], Evaluated(1, 1), ["cat"], _PREPROCESS.of_file("model.int8.tflite"), None)
    assert "pip install numpy pillow ai-edge-litert" in text
    assert "onnx" not in text and "budget" not in text


def test_of_many_labels_the_first_are_shown(tmp_path: Path) -> None:
    write_readme(tmp_path, _FILES, Evaluated(1, 1), [f"class {index}" for index in range(1000)], _PREPROCESS, None)
    text = (tmp_path / "README.md").read_text()
    assert "class 19, and 980 more." in text and "class 20" not in text
