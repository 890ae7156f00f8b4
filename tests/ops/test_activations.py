"""Activations that are written down as what they are made of."""

from collections.abc import Callable

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from proxyless.errors import InputError
from proxyless.nn.blocks import Branch
from proxyless.ops import COMPOSED, Activation, Conv, LayerSpec, layer_cost, lower_layer
from proxyless.ops.lowered import Chain

_OF_TORCH: dict[str, Callable[[Tensor], Tensor]] = {"leaky_relu": functional.leaky_relu, "h_tanh": functional.hardtanh}


@pytest.mark.parametrize("act", COMPOSED)
def test_it_is_what_torch_calls_so(act: str) -> None:
    chain = Chain((8, 8, 3))
    assert chain.act(0, act) == len(chain.nodes)
    x = 3 * torch.randn(2, 3, 8, 8, dtype=torch.double)
    torch.testing.assert_close(Branch(chain.nodes, lambda _: nn.Identity())(x), _OF_TORCH[act](x))


@pytest.mark.parametrize("act", COMPOSED)
def test_it_follows_a_convolution_that_has_none_of_its_own(act: str) -> None:
    spec = LayerSpec("conv", (8, 8, 3), (8, 8, 4), 3, act=act)
    first, *others = lower_layer(spec).nodes
    assert isinstance(first, Conv) and first.act == "none" and others
    assert layer_cost(spec) == layer_cost(LayerSpec("conv", (8, 8, 3), (8, 8, 4), 3, act="relu"))


def test_an_unknown_one_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"unknown activation 'tahn'; choose of relu6, .*, leaky_relu, h_tanh"):
        lower_layer(LayerSpec("conv", (8, 8, 3), (8, 8, 4), act="tahn"))
    with pytest.raises(ValidationError, match="unknown activation 'tahn'"):
        TypeAdapter(Activation).validate_python("tahn")


def test_a_number_that_changes_nothing_is_no_work() -> None:
    chain = Chain((8, 8, 3))
    assert chain.affine(0) == 0 and not chain.nodes
    assert chain.nodes == [] and chain.affine(0, 2.0, 1.0) == 1
