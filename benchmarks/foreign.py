"""Does `classify.py` of an export folder name images as PyTorch does, where there is nothing but one runtime?

python benchmarks/foreign.py --export model --trained trained --data cifar10 --images 500

For every runtime that the folder has files for, makes a virtual environment that holds numpy, Pillow, the runtime and
what these need. There it runs `classify.py` on test images, once as the very bytes that are in the parquet file and
once saved as PNG. Compares the first label with that of the trained network in PyTorch.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import torch
from PIL import Image

from proxyless.data.augment import normalise
from proxyless.data.decode import decode
from proxyless.train.trained import Trained, load_trained

_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
_PACKAGES = {".onnx": "onnxruntime", ".tflite": "ai-edge-litert"}


def environment(folder: Path, runtime: str) -> Path:
    """The Python of a new virtual environment with numpy, Pillow and a runtime."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [*_pip(python), "install", "--quiet", "--constraint", str(_CONSTRAINTS)]
    done = subprocess.run([*install, "numpy", "pillow", runtime], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip cannot install {runtime}: {done.stderr.strip().splitlines()[-1]}")
    return python


def _pip(python: Path) -> list[str]:
    """This Python's own pip, at work on another."""
    return [sys.executable, "-m", "pip", "--python", str(python)]


def packages(python: Path) -> list[str]:
    """What an environment holds, beside pip and setuptools."""
    listed = subprocess.run([*_pip(python), "freeze"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def save_images(data: Path, count: int, folder: Path) -> dict[str, list[Path]]:
    """The first test images of a parquet folder, as the bytes that they are stored in and as PNG."""
    column = pyarrow.parquet.read_table(sorted(data.glob("test*.parquet"))[0], columns=["image"])["image"]
    contents = [row["bytes"] for row in column.slice(0, count).to_pylist()]
    kinds = {"original": [folder / f"{index}.image" for index in range(len(contents))]}
    kinds["png"] = [path.with_suffix(".png") for path in kinds["original"]]
    for original, png, content in zip(kinds["original"], kinds["png"], contents, strict=True):
        original.write_bytes(content)
        with Image.open(io.BytesIO(content)) as image:
            image.save(png)
    return kinds


def pytorch_logits(trained: Trained, paths: Sequence[Path]) -> torch.Tensor:
    """Logits (N, classes)."""
    side, info = trained.architecture.space.resolution, trained.info
    images = torch.stack([torch.from_numpy(decode(path, side, path.name).copy()) for path in paths])
    prepared = normalise(images.float().div(255), torch.tensor(info.mean), torch.tensor(info.std))
    with torch.no_grad():
        return torch.cat([trained.network(part) for part in torch.split(prepared, 64)])


def classified(python: Path, folder: Path, model: str, paths: Sequence[Path]) -> list[str]:
    """The first label that `classify.py` prints for each image."""
    command = [str(python), str(folder / "classify.py"), str(folder / model), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"classify.py failed on {model}: {done.stderr.strip().splitlines()[-1]}")
    lines = done.stdout.splitlines()
    places = {line: place for place, line in enumerate(lines)}
    return [lines[places[str(path)] + 1].split("  ")[-1] for path in paths]


def compare(python: Path, folder: Path, model: str, trained: Trained, images: dict[str, list[Path]]) -> dict[str, Any]:
    """How many labels are PyTorch's, by kind of image file; and by how much PyTorch's own decision was won elsewhere.

    margins: of the images with another label, PyTorch's first logit less its second.
    """
    results = {}
    for kind, paths in images.items():
        logits = pytorch_logits(trained, paths)
        expected = [trained.info.classes[index] for index in logits.argmax(1)]
        found = classified(python, folder, model, paths)
        best = logits.topk(2).values
        margins = [float(a - b) for (a, b), x, y in zip(best, expected, found, strict=True) if x != y]
        results[kind] = {"same": len(paths) - len(margins), "of": len(paths), "margins": margins}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True, help="an export folder")
    parser.add_argument("--trained", type=Path, required=True, help="the trained network that it was made of")
    parser.add_argument("--data", type=Path, required=True, help="a folder with test*.parquet")
    parser.add_argument("--images", type=int, default=500)
    arguments = parser.parse_args()
    trained = load_trained(arguments.trained)
    models = sorted(path.name for path in arguments.export.iterdir() if path.suffix in _PACKAGES)
    report: dict[str, Any] = {"torch": torch.__version__, "environments": {}, "files": {}}
    with tempfile.TemporaryDirectory() as name:
        images = save_images(arguments.data, arguments.images, Path(name))
        for suffix in sorted({Path(model).suffix for model in models}):
            python = environment(Path(name) / suffix[1:], _PACKAGES[suffix])
            report["environments"][_PACKAGES[suffix]] = packages(python)
            for model in (model for model in models if model.endswith(suffix)):
                report["files"][model] = compare(python, arguments.export, model, trained, images)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
