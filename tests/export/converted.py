"""A network in both formats, for several tests."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from export.convert import convert_all
from export.format import ModelFile
from export.formats import find_formats
from export.verify import Reference
from proxyless.nn import save_weights
from tests.helpers import MIXED_OPS, architecture, deployable, random_images

NETWORK = architecture(MIXED_OPS)
IMAGES = random_images(40, 32)


@dataclass(frozen=True)
class Converted:
    """A folder with exported files, the network that they are of, and what it makes of `IMAGES`."""

    folder: Path
    network: nn.Module
    reference: Reference

    def path(self, file: ModelFile) -> Path:
        return self.folder / file.file_name


def make_converted(folder: Path) -> Converted:
    """TFLite only where litert-torch is installed."""
    network = deployable(NETWORK.layers)
    save_weights(folder / "weights.safetensors", network)
    have_tflite = importlib.util.find_spec("litert_torch") is not None
    formats = find_formats(["onnx", "tflite"] if have_tflite else ["onnx"])
    convert_all(formats, NETWORK, folder / "weights.safetensors", folder)
    with torch.no_grad():
        logits = network(torch.from_numpy(IMAGES)).numpy()
    return Converted(folder, network, Reference(lambda: iter([IMAGES[:30], IMAGES[30:]]), logits.argmax(1), logits))
