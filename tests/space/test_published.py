"""The published networks, expressed in the space `mobile`, cost exactly what was published."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from torch import nn

from proxyless.nn import build_network
from proxyless.ops import Cost, layer_cost, network_cost
from proxyless.space import Architecture, Space, build_space, mobile_fixed
from tests.helpers import SHARED, architecture

_NETWORKS = json.loads((Path(__file__).parents[1] / "fixtures" / "published_networks.json").read_text())["networks"]


def _build(entry: dict[str, Any]) -> Architecture:
    return architecture(" ".join(entry["ops"]), mobile_fixed(**entry["space_args"]))


@pytest.mark.parametrize("entry", _NETWORKS, ids=[entry["name"] for entry in _NETWORKS])
def test_parameters_and_macs_equal_the_published_figures(entry: dict[str, Any]) -> None:
    cost = _build(entry).cost
    assert round(cost.params / 1e6, 4) == entry["params_M"]
    assert round(cost.macs / 1e6, 3) == entry["macs_M"]


_STAGE_WIDTHS = {1.0: (24, 40, 80, 112, 160), 1.2: (32, 48, 96, 136, 192)}


def _once_for_all(entry: dict[str, Any]) -> Architecture:
    """Its blocks at the places of their stage, the rest of which is skipped."""
    width_mult = next(mult for mult, widths in _STAGE_WIDTHS.items() if entry["blocks"][-1]["out_c"] == widths[-1])
    ops: list[str] = []
    for width in _STAGE_WIDTHS[width_mult]:
        stage = [block for block in entry["blocks"][1:] if block["out_c"] == width]
        ops += [f"k{block['kernel']}e{block['expand']}" for block in stage] + ["skip"] * (4 - len(stage))
    args = {"resolution": entry["input_res"], "width_mult": width_mult}
    return Architecture(build_space("mobilenetv3", args), tuple(ops))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published networks are not beside this folder")
def test_once_for_alls_networks_are_in_mobilenetv3() -> None:
    entries = json.loads((SHARED / "archs" / "ofa_specialized.json").read_text())
    networks = [entry for entry in entries if entry["family"] == "ofa_MobileNetV3"]
    assert len(networks) == 23
    for entry in networks:
        cost, computed = _once_for_all(entry).cost, entry["computed"]
        assert (round(cost.params / 1e6, 4), round(cost.macs / 1e6, 3)) == (computed["params_M"], computed["macs_M"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published measurements are not beside this folder")
def test_every_operation_is_fbnets() -> None:
    """For images of CIFAR, with the operations in the order of the published table."""
    args = {"resolution": 32, "num_classes": 100, "stem_stride": 1, "second_stride": 1, "head_width": 1504}
    space = build_space("fbnet", args)
    assert network_cost(space.fixed).macs == 442_368 + 8_470_528 + 150_400
    with (SHARED / "devices" / "fbnet_ops.csv").open() as file:
        rows = list(csv.DictReader(file))
    slots = [slot for _, slot in space.searched for _ in range(9)]
    for row, slot in zip(rows, slots, strict=True):
        spec = slot.specs[int(row["op_id"])]
        cost = layer_cost(spec) if spec else Cost()
        assert (cost.macs, cost.params) == (int(row["conv_macs"]), int(row["params"])), row


def _mnasnet(space: Space, row: dict[str, list[int]]) -> Architecture:
    """Of lists with a value per stage."""
    stages = zip(row["k"], row["e"], row["se"], row["l"], strict=True)
    ops = [
        choice
        for kernel, expand, squeezes, layers in stages
        for choice in (str(layers), f"k{kernel}e{expand}" + "se" * squeezes)
    ]
    return Architecture(space, tuple(ops))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published measurements are not beside this folder")
def test_the_networks_of_accel_nasbench_are_in_mnasnet() -> None:
    table = parquet.read_table(SHARED / "devices" / "accelnasbench.parquet", columns=["e", "k", "l", "se", "params_M"])
    rows, space = table.to_pylist(), build_space("mnasnet")
    assert len(rows) == 5138
    wrong = [row for row in rows if abs(_mnasnet(space, row).cost.params / 1e6 - row["params_M"]) > 5e-7]
    assert not wrong, wrong[:3]


def test_efficientnet_b0_is_in_mnasnet() -> None:
    """Table 1 of Tan and Le (ICML 2019); the parameters are those that torchvision states."""
    row = {"k": [3, 3, 5, 3, 5, 5, 3], "e": [1, 6, 6, 6, 6, 6, 6], "se": [1] * 7, "l": [1, 2, 2, 3, 3, 4, 1]}
    assert _mnasnet(build_space("mnasnet"), row).cost.params == 5_288_548


@pytest.mark.parametrize("entry", _NETWORKS[::2], ids=[entry["name"] for entry in _NETWORKS[::2]])
def test_torch_network_has_the_counted_parameters_and_shapes(entry: dict[str, Any]) -> None:
    import torch

    found = _build(entry)
    network = build_network(found.layers)
    assert sum(p.numel() for p in network.parameters()) == found.cost.params
    macs = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal macs
        assert isinstance(module, nn.Conv2d | nn.Linear)
        macs += module.weight.numel() * (output.shape[2] * output.shape[3] if output.ndim == 4 else 1)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    assert network.eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert macs == found.cost.macs
