"""The published networks, expressed in the space `mobile`, cost exactly what was published."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from proxyless.nn import build_network
from proxyless.space import Architecture, mobile
from tests.helpers import architecture

_NETWORKS = json.loads((Path(__file__).parents[1] / "fixtures" / "published_networks.json").read_text())["networks"]


def _build(entry: dict[str, Any]) -> Architecture:
    return architecture(" ".join(entry["ops"]), mobile(**entry["space_args"]))


@pytest.mark.parametrize("entry", _NETWORKS, ids=[entry["name"] for entry in _NETWORKS])
def test_parameters_and_macs_equal_the_published_figures(entry: dict[str, Any]) -> None:
    cost = _build(entry).cost
    assert round(cost.params / 1e6, 4) == entry["params_M"]
    assert round(cost.macs / 1e6, 3) == entry["macs_M"]


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
