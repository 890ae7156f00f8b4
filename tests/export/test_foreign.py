"""`classify.py` where there is nothing but numpy, Pillow and one runtime."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.formats import FORMATS
from export.metadata import describe_entries, write_metadata
from export.preprocess import FileInput, Preprocess
from export.receiver.write import write_classify
from latency.writers.graph import lower
from latency.writers.onnx import write_onnx
from latency.writers.tflite import write_tflite
from proxyless.nn import save_weights
from proxyless.train.trained import ARCHITECTURE, WEIGHTS, TrainedInfo, save_info
from tests.data.images import save_parquet
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "foreign.py"
_FILES = {"model.onnx": FileInput(layout="NCHW"), "model.tflite": FileInput(layout="NHWC")}


def _hand_over(folder: Path) -> tuple[Path, Path]:
    """A trained network, and its export."""
    trained, exported, found = folder / "trained", folder / "exported", architecture(MIXED_OPS)
    network = deployable(found.layers)
    found.save(trained / ARCHITECTURE)
    save_weights(trained / WEIGHTS, network)
    labels = [f"class {index}" for index in range(10)]
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    save_info(
        trained,
        TrainedInfo(data="", classes=labels, mean=mean, std=std, best_epoch=0, validation_accuracy=0, test_accuracy=0),
    )
    preprocess = Preprocess(size=(32, 32), mean=mean, std=std, files=_FILES)
    write_classify(exported, list(FORMATS.values()))
    preprocess.save(exported / "preprocess.json")
    (exported / "labels.txt").write_text("\n".join(labels) + "\n")
    for write, name in ((write_onnx, "model.onnx"), (write_tflite, "model.tflite")):
        write(lower(found.layers, folded_weights(network), batch=1), exported / name)
        write_metadata(exported / name, describe_entries(labels, preprocess, name))
    return trained, exported


def _jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.slow
def test_labels_are_those_of_pytorch_in_environments_of_their_own(tmp_path: Path) -> None:
    trained, exported = _hand_over(tmp_path)
    data = save_parquet(tmp_path / "data", list(range(10)), [_jpeg(seed) for seed in range(10)], part="test-0")
    arguments = ["--trained", trained, "--export", exported, "--data", data, "--images", "10"]
    command = [sys.executable, str(_SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if "pip cannot install" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report["files"]) == set(_FILES)
    for name, runtime, other in (("model.onnx", "onnxruntime", "litert"), ("model.tflite", "litert", "onnxruntime")):
        held = " ".join(next(held for key, held in report["environments"].items() if runtime in key))
        assert "numpy" in held and "pillow" in held and not any(name in held for name in (other, "torch", "proxyless"))
        assert all(result["same"] == result["of"] == 10 for result in report["files"][name].values())
