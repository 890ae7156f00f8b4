"""Name what images show: python classify.py [MODEL] IMAGE...

Needs numpy, Pillow and the runtime of one of the model files here, which README.md names.
Without MODEL, the first file here whose runtime is installed. labels.txt and preprocess.json lie beside this program.
"""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Callable, Sequence, Tuple

import numpy as np

from proxyless.data.reader import read_image, without_warnings

Network = Tuple[Callable[[np.ndarray], np.ndarray], Sequence[Any]]  # float32 images to logits, and the images' shape


def prepare(image: np.ndarray, mean: Sequence[float], std: Sequence[float], shape: Sequence[Any]) -> np.ndarray:
    """Normalised float32 images (1, height, width, 3), or (1, 3, height, width) where that is the network's shape."""
    values = (image / np.float32(255) - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(values if shape[-1] == 3 else values.transpose(2, 0, 1))[None]


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    shares: np.ndarray = powers / powers.sum()
    return shares


LOADERS: dict[str, tuple[str, Callable[..., Network]]] = {}
"""By suffix: the package to install, and what opens a file with it."""


def load_first(paths: Sequence[Path]) -> Network:
    missing = []
    for path in paths:
        package, load = LOADERS[path.suffix]
        try:
            if path.exists():
                return load(path)
        except ImportError:
            missing.append(package)
    sys.exit(f"there is no runtime for the files here: pip install {', or '.join(dict.fromkeys(missing))}")


def main(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # names may have letters that the output's encoding lacks
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    folder, failures = Path(__file__).resolve().parent, 0
    labels = (folder / "labels.txt").read_text(encoding="utf-8-sig").splitlines()
    description = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))
    given = Path(arguments[0]).suffix in LOADERS
    files = [Path(arguments.pop(0))] if given else [folder / name for name in description["files"]]
    if not arguments or not any(file.exists() for file in files):
        sys.exit(__doc__ if not arguments else f"{files[0]} is not there")
    run, shape = load_first(files)
    for name in arguments:
        try:
            with without_warnings():
                pixels = read_image(Path(name), *description["size"])
        except Exception as error:  # decoders raise almost anything for a damaged file
            print(f"{name} is not a readable image: {error}", file=sys.stderr)
            failures = 1
            continue
        shares = probabilities(run(prepare(pixels, description["mean"], description["std"], shape))[0])
        print(name)
        for index in np.argsort(-shares, kind="stable")[:5]:
            print(f"{shares[index]:8.2%}  {labels[index]}")
    return failures


if __name__ == "__main__":
    if not sys.argv[1:] or set(sys.argv[1:]) & {"-h", "--help"}:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] else 1)
    sys.exit(main(sys.argv[1:]))
