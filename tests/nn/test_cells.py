"""A supernet of cells: one candidate for all combinations; weights belong to an edge and its operation."""

import random

import pytest
import torch

from proxyless.nn import MixedLayer, SuperNet, plain_choices
from proxyless.nn.mixed import has_gates
from proxyless.ops.cell import KERNELS, NONE
from proxyless.search.shared import inherit
from proxyless.space import build_space
from tests.helpers import randomise

_SPACE = build_space("nasbench201", {"resolution": 8, "num_classes": 3, "cells": 1})


def _net() -> SuperNet:
    torch.manual_seed(0)
    net = SuperNet(_SPACE)
    randomise(net)
    return net.double()


_NET = _net()
_IMAGES = torch.randn(4, 3, 8, 8, dtype=torch.double)


def test_a_cell_has_the_weights_of_every_edge_once() -> None:
    assert has_gates(_SPACE.decisions, _SPACE.slots) == [False] * 6
    cell = _NET.layers[1]
    assert isinstance(cell, MixedLayer) and list(cell.candidates) == ["0"]
    convs = [module for module in cell.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convs) == 6 * len(KERNELS)
    assert cell.active(plain_choices([0] * 6)) == "0"


def _paths() -> list[list[int]]:
    rng = random.Random(0)
    nothing, skips = (_SPACE.ops_path([op] * 6) for op in (NONE, "skip_connect"))
    alone = _SPACE.ops_path([NONE, NONE, NONE, "skip_connect", NONE, NONE])
    return [nothing, skips, alone, *([rng.randrange(5) for _ in range(6)] for _ in range(12))]


@pytest.mark.parametrize("path", _paths(), ids=str)
def test_every_path_is_the_plain_network_with_its_weights(path: list[int]) -> None:
    plain = inherit(_NET, _SPACE, path).double().train()
    torch.testing.assert_close(_NET(_IMAGES, plain_choices(path)), plain(_IMAGES), rtol=1e-8, atol=1e-8)


def test_a_step_gives_gradients_to_the_edges_that_matter_only() -> None:
    net = _net()
    edges = ["nor_conv_3x3", "nor_conv_1x1", NONE, NONE, "nor_conv_1x1", NONE]  # nothing leaves node 2
    net(_IMAGES, plain_choices(_SPACE.ops_path(edges))).square().sum().backward()
    trained = {name for name, weight in net.layers[1].named_parameters() if weight.grad is not None}
    names = {name.removeprefix("candidates.0.branch.").split(".")[0] for name in trained}
    assert names == {"conv3_0_1", "conv3_0_1_norm", "conv1_1_3", "conv1_1_3_norm"}
