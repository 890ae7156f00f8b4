"""`model.py` computes what the trained network computes, bit for bit, where there is nothing but torch."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from export.receiver.model import read_safetensors
from export.receiver.write import write_model
from proxyless.nn import build_network, save_weights
from proxyless.space import Architecture, Space, mobile_fixed, tiny_fixed
from tests.helpers import EVERY_OPERATOR, MIXED_OPS, architecture, deployable, randomise

_ALONE = """
import importlib.util, json, sys
sys.modules.update(dict.fromkeys(["proxyless", "export", "latency", "safetensors", "numpy"]))  # cannot be imported
import torch
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("model", folder + "/model.py")
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    with torch.no_grad():
        torch.save(model.load().double()(torch.load(folder + "/images.pt")), folder + "/logits.pt")
"""


def _random(space: Space, seed: int) -> Architecture:
    return Architecture(space, space.random_ops(random.Random(seed)))


def _extreme(space: Space, skips: bool) -> Architecture:
    """Every skip that is legal, or none at all."""
    return Architecture(space, tuple(layer.choices[-1] if skips else layer.choices[0] for layer in space.decisions))


_NETWORKS = [
    *(_random(tiny_fixed(), seed) for seed in range(4)),
    _random(tiny_fixed(resolution=33, num_classes=1, width_mult=0.25), 4),
    _random(tiny_fixed(resolution=64, stem_stride=1, num_classes=1000), 5),
    _extreme(tiny_fixed(), skips=True),
    _extreme(tiny_fixed(), skips=False),
    _random(mobile_fixed(resolution=97, width_mult=0.35, num_classes=37), 6),
    _extreme(mobile_fixed(resolution=32, width_mult=0.5), skips=True),
]


def _trained(found: Architecture, seed: int) -> nn.Module:
    """Weights and statistics of no value that a fresh network has."""
    torch.manual_seed(seed)
    network = randomise(build_network(found.layers))
    with torch.no_grad():
        network(torch.randn(4, 3, found.space.resolution, found.space.resolution))
    return network.eval()


def test_every_operator_is_there(tmp_path: Path) -> None:
    network, images = deployable(EVERY_OPERATOR), torch.randn(2, 3, 16, 16, dtype=torch.double)
    save_weights(tmp_path / "weights.safetensors", network)
    write_model(tmp_path, EVERY_OPERATOR)
    torch.save(images, tmp_path / "images.pt")
    subprocess.run([sys.executable, "-I", "-c", _ALONE, str(tmp_path)], check=True)
    with torch.no_grad():
        expected = network.double()(images)
    found = torch.load(tmp_path / "logits.pt", weights_only=True)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_its_logits_are_the_same_without_this_package(tmp_path: Path) -> None:
    expected = []
    for index, found in enumerate(_NETWORKS):
        folder = tmp_path / str(index)
        network = _trained(found, index)
        save_weights(folder / "weights.safetensors", network)
        network.double()  # in which rounding, which depends on the number of threads, is far below any difference
        write_model(folder, found.layers)
        images = torch.randn(2, 3, found.space.resolution, found.space.resolution, dtype=torch.double)
        torch.save(images, folder / "images.pt")
        with torch.no_grad():
            expected.append(network(images))
    folders = [str(tmp_path / str(index)) for index in range(len(_NETWORKS))]
    subprocess.run([sys.executable, "-I", "-c", _ALONE, *folders], check=True)
    for name, logits in zip(folders, expected, strict=True):
        torch.testing.assert_close(torch.load(f"{name}/logits.pt"), logits, rtol=1e-9, atol=1e-9)
    assert all(logits.isfinite().all() and logits.std() > 0 for logits in expected if logits.numel() > 2)


def test_the_file_shows_the_network(tmp_path: Path) -> None:
    found = architecture(MIXED_OPS)
    write_model(tmp_path, found.layers)
    source = (tmp_path / "model.py").read_text()
    assert source.count("'name': 'depthwise'") == 1 + sum(op != "skip" for op in found.ops)
    assert "'kernel': 7" in source


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_weights(tmp_path / "weights.safetensors", build_network(architecture(MIXED_OPS).layers))
    return tmp_path / "weights.safetensors"


def test_weights_are_read_as_by_the_safetensors_library(weights: Path) -> None:
    from safetensors.torch import load_file

    expected = load_file(weights)
    found = read_safetensors(weights)
    assert found.keys() == expected.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in expected.items()
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 10**9]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": ["2"], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0]},
        {"dtype": "F8", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        [1, 2],
    ],
)
def test_damaged_weights_are_refused(entry: object, tmp_path: Path) -> None:
    header = json.dumps({"weight": entry}).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ValueError, match="is damaged"):
        read_safetensors(path)


def test_any_damaged_header_is_read_or_refused(weights: Path) -> None:
    whole, generator, refused = weights.read_bytes(), random.Random(0), 0
    for _ in range(200):
        damaged = bytearray(whole[: generator.randint(0, len(whole))] if generator.random() < 0.3 else whole)
        for _ in range(generator.randint(1, 5) if damaged else 0):
            damaged[generator.randrange(min(len(damaged), 2000))] = generator.randrange(256)
        weights.write_bytes(damaged)
        try:
            read_safetensors(weights)
        except ValueError:
            refused += 1
    assert refused > 100
