"""Cells of NAS-Bench-201 against the published ones, and against a network written down once more."""

import random
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from export.checks import Expected, failed
from export.format import ModelFile
from export.formats import FORMATS
from export.verify import Reference, verify
from latency.runtimes import RUNTIMES
from latency.writers.graph import lower
from proxyless.nn import build_network
from proxyless.ops import LayerSpec, layer_cost, layer_parts, lower_layer, network_cost
from proxyless.ops.cell import EDGE_OPS, NONE, edge_ends, is_identity, prune
from proxyless.space import build_space
from tests.helpers import SHARED, deployable, folded_weights, random_images

_SPACE = build_space("nasbench201")
_SMALL = build_space("nasbench201", {"resolution": 8, "num_classes": 3, "cells": 1})
_ENDS = edge_ends(6)
_CELLS = list(product(EDGE_OPS, repeat=6))
_PUBLISHED = SHARED / "devices" / "nb201_accuracy.parquet"


def _edges(arch: str) -> tuple[str, ...]:
    """Of `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, in the order of the decisions."""
    nodes = [node.strip("|").split("|") for node in arch.split("+")]
    by_ends = {
        (int(source), target): op
        for target, node in enumerate(nodes, 1)
        for op, source in (edge.split("~") for edge in node)
    }
    return tuple(by_ends[ends] for ends in _ENDS)


def _unique(edges: tuple[str, ...]) -> str:
    """The published string of a cell: what every node is made of, skips and zeros left out."""
    nodes = {0: "0"}
    for target in (1, 2, 3):
        terms = []
        for op, (source, end) in zip(edges, _ENDS, strict=True):
            if end == target:
                zero = op == NONE or nodes[source] == "#"
                terms.append("#" if zero else nodes[source] if op == "skip_connect" else f"({nodes[source]})@{op}")
        nodes[target] = "+".join(sorted(terms))
    return nodes[3]


def test_the_space_has_the_published_classes_and_what_is_pruned_goes_further() -> None:
    """Zeros under a sum are kept in the published strings; without them, fewer classes are left."""
    assert _SPACE.size == len(_CELLS) == 15_625
    classes: dict[str, set[str]] = {}
    for edges in _CELLS:
        classes.setdefault(_unique(edges), set()).add(_without_zeros(edges))
    assert len(classes) == 6_466
    assert all(len(found) == 1 for found in classes.values())
    assert len({prune(edges) for edges in _CELLS}) == 9_445


def _without_zeros(edges: tuple[str, ...]) -> str:
    return _unique(prune(edges)).replace("#+", "").replace("+#", "")


@pytest.mark.skipif(not _PUBLISHED.is_file(), reason="the published cells are not beside this folder")
def test_every_published_cell_is_in_the_space_with_its_string() -> None:
    rows = parquet.read_table(_PUBLISHED, columns=["arch", "unique_str"]).to_pylist()
    assert sorted(_edges(row["arch"]) for row in rows) == sorted(_CELLS)
    assert all(_unique(_edges(row["arch"])) == row["unique_str"] for row in rows)


def test_pruning_leaves_a_pruned_cell_alone_and_every_edge_of_it_matters() -> None:
    for edges in _CELLS[::7]:
        pruned = prune(edges)
        assert prune(pruned) == pruned
        for place, op in enumerate(pruned):
            if op != NONE:
                assert prune((*pruned[:place], NONE, *pruned[place + 1 :])) != pruned
        assert is_identity(edges) == (_without_zeros(edges) == "0")


def test_a_cell_costs_what_its_parts_do() -> None:
    for spec in _SMALL.slots[1].layers[::13]:
        parts = layer_parts(spec)
        assert layer_cost(spec) == network_cost(parts)
        assert layer_cost(spec).params == sum(p.numel() for p in build_network([spec]).parameters())
        nodes = [node for node in lower_layer(spec).nodes if type(node).__name__ != "Act"]
        assert len(nodes) == len(parts)


class _Op(nn.Module):
    """An edge as published."""

    def __init__(self, op: str, channels: int) -> None:
        super().__init__()
        self.op = op
        if op.startswith("nor_conv"):
            kernel = int(op[-1])
            self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
            self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.op == "none":
            return x * 0.0
        if self.op == "skip_connect":
            return x
        if self.op == "avg_pool_3x3":
            return avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        out: Tensor = self.norm(self.conv(x.relu()))
        return out


class _Cell(nn.Module):
    def __init__(self, edges: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.ops = nn.ModuleList(_Op(op, channels) for op in edges)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for target in (1, 2, 3):
            pairs = zip(self.ops, _ENDS, strict=True)
            nodes.append(torch.stack([op(nodes[source]) for op, (source, end) in pairs if end == target]).sum(0))
        return nodes[3]


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(self.norm1(self.conv1(x.relu())).relu()))
        return torch.add(self.shortcut(avg_pool2d(x, 2, 2)), out)


def _published(edges: tuple[str, ...], cells: int, classes: int) -> nn.Sequential:
    """The whole network, with every edge."""
    layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))]
    for channels in (16, 32, 64):
        layers += [_Residual(channels // 2, channels)] * (channels > 16)
        layers += [_Cell(edges, channels) for _ in range(cells)]
    layers += [nn.Sequential(nn.BatchNorm2d(64), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(64, classes))


_SPECIAL = [
    (NONE,) * 6,
    ("skip_connect",) * 6,
    (NONE, NONE, NONE, "skip_connect", NONE, NONE),
    ("skip_connect", NONE, "skip_connect", NONE, NONE, "skip_connect"),
    ("skip_connect", NONE, NONE, "skip_connect", "skip_connect", NONE),
    ("nor_conv_3x3",) * 6,
    ("nor_conv_3x3", NONE, NONE, NONE, NONE, "nor_conv_3x3"),
    ("nor_conv_3x3", "avg_pool_3x3", NONE, NONE, NONE, "nor_conv_1x1"),
    ("nor_conv_1x1", NONE, "skip_connect", NONE, NONE, "skip_connect"),
]
"""Nothing, only skips, nothing but the input, two skips, all edges, dead ones, and a skip at the end."""
_SIXTY = [*_SPECIAL, *random.Random(0).sample(_CELLS, 60 - len(_SPECIAL))]


@pytest.mark.parametrize("edges", _SIXTY[:20], ids="|".join)
def test_a_network_is_the_published_one_without_what_does_not_matter(edges: tuple[str, ...]) -> None:
    """Weights are handed over in order: those of the edges that matter, and of everything else."""
    torch.manual_seed(0)
    layers = _SMALL.network(edges)
    mine, theirs = deployable(layers), _published(edges, 1, 3).eval()
    kept = [place for place, op in enumerate(prune(edges)) if op.startswith("nor_conv")]
    source = dict(theirs.named_modules())
    names = [name for name, module in source.items() if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    names = [name for name in names if ".ops." not in name or int(name.split(".")[2]) in kept]
    targets = [m for m in mine.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    for name, target in zip(names, targets, strict=True):
        source[name].load_state_dict(target.state_dict())
    x = torch.from_numpy(random_images(4, 8))
    with torch.no_grad():
        torch.testing.assert_close(mine(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_parameters_and_macs_of_the_whole_network_are_those_of_the_published_module() -> None:
    """Of cells with no edge that does not matter."""
    for edges in [edges for edges in _SIXTY if prune(edges) == edges][:6]:
        network, macs = _published(edges, 5, 10), [0]

        def count(module: nn.Module, _: tuple[Tensor], output: Tensor, macs: list[int] = macs) -> None:
            assert isinstance(module, nn.Conv2d | nn.Linear)
            macs[0] += module.weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1)

        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        network.eval()(torch.zeros(1, 3, 32, 32))
        cost = network_cost(_SPACE.network(edges))
        assert (cost.params, cost.macs) == (sum(p.numel() for p in network.parameters()), macs[0])


@pytest.mark.parametrize("name", ["onnxruntime", "litert"])
def test_sixty_cells_are_what_torch_computes(name: str, tmp_path: Path) -> None:
    runtime = RUNTIMES[name]
    if not runtime.installed:
        pytest.skip(f"the package {runtime.package} is not installed")
    format_ = next(format_ for format_ in FORMATS.values() if format_.runtime == name)
    images = random_images(2, 8, seed=3)
    for number, edges in enumerate(_SIXTY):
        layers, path = _SMALL.network(edges), tmp_path / f"{number}{runtime.suffix}"
        network = deployable(layers)
        runtime.writer_of("float32")(lower(layers, folded_weights(network)), path)
        with torch.no_grad():
            expected = network(torch.from_numpy(images)).numpy()
        run = format_.tools.load(path)
        found = np.concatenate([run(image[None]) for image in images])
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), err_msg=str(edges))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("edges", [_SPECIAL[0], _SPECIAL[1], *_SIXTY[-2:]], ids="|".join)
def test_a_cell_is_exported(name: str, edges: tuple[str, ...], tmp_path: Path) -> None:
    layers: list[LayerSpec] = _SMALL.network(edges)
    network, images = deployable(layers), random_images(16, 8, seed=7)
    with torch.no_grad():
        logits = network(torch.from_numpy(images)).numpy()
    reference, file = Reference(lambda: iter([images]), logits.argmax(1), logits), ModelFile(FORMATS[name])
    path = tmp_path / file.file_name
    file.format.tools.convert(network, 8, path)
    report = verify(file, path, reference, Expected.of(layers))
    assert not failed(report.checks), failed(report.checks)
    int8 = ModelFile(file.format, "int8")
    file.format.tools.recipes["int8"][0].make(path, tmp_path / int8.file_name, images)
    report = verify(int8, tmp_path / int8.file_name, reference, Expected.of(layers))
    assert not [check for check in failed(report.checks) if "kernels" in check.name or "convolutions" in check.name]


def test_the_space_lists_the_parts_that_are_to_be_measured() -> None:
    edges = ["relu_conv", "relu_conv", "pool_mean", "sum", "zero"]
    ops = ["conv", "norm", "classifier", *2 * ["reduction"], *3 * edges]
    assert sorted(spec.op for spec in _SPACE.specs()) == sorted(ops)


def test_the_decisions_are_edges() -> None:
    names = [decision.name for decision in _SPACE.decisions]
    assert names == ["edge0to1", "edge0to2", "edge1to2", "edge0to3", "edge1to3", "edge2to3"]
