"""Torch modules of users as operators: what they compute and cost, and which are refused, in one sentence."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.nn import SuperNet, plain_choices
from proxyless.nn.blocks import build_layer
from proxyless.nn.tracing import lower_module
from proxyless.ops import Add, LayerSpec, Shape, has_shortcut, layer_cost, lower_layer
from proxyless.search.shared import inherit
from proxyless.space import Architecture, Space, declared_space
from proxyless.testing import modules
from proxyless.testing.problems import table_by_macs
from tests.helpers import randomise
from tests.ops import refused

_HERE = "proxyless.testing.modules:"
_SHAPES: list[tuple[Shape, Shape, int]] = [((9, 9, 16), (9, 9, 16), 1), ((8, 8, 16), (4, 4, 24), 2)]


def _module(spec: LayerSpec) -> nn.Module:
    sizes = spec.in_shape[2], spec.out_shape[2]
    match spec.op.removeprefix(_HERE):
        case "Residual":
            return modules.Residual(*sizes, spec.kernel, spec.stride, spec.act, spec.se)
        case "Ghost":
            return modules.Ghost(*sizes, spec.kernel, spec.stride, spec.expand)
        case _:
            return modules.ShuffleUnit(*sizes, spec.stride)


@pytest.mark.parametrize(("in_shape", "out_shape", "stride"), _SHAPES, ids=["stride1", "stride2"])
@pytest.mark.parametrize("name", ["Residual", "Ghost", "ShuffleUnit"])
def test_a_module_is_its_primitives(name: str, in_shape: Shape, out_shape: Shape, stride: int) -> None:
    """Parameters and MACs against PyTorch's own counts, and the same outputs of the same weights in training."""
    se = 8 if name == "Residual" else 0
    spec = LayerSpec(_HERE + name, in_shape, out_shape, 5, 2, stride, act="h_swish", se=se)
    torch.manual_seed(0)
    theirs, ours, images = _module(spec), build_layer(spec), torch.randn(4, in_shape[2], *in_shape[:2])
    for part in theirs.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with FlopCounterMode(display=False) as counter:
        theirs(images[:1])
    assert sum(parameter.numel() for parameter in theirs.parameters()) == layer_cost(spec).params
    assert counter.get_total_flops() == 2 * layer_cost(spec).macs
    theirs.load_state_dict(_as_theirs(ours.state_dict(), theirs))
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-5)


def _as_theirs(ours: dict[str, Any], theirs: nn.Module) -> dict[str, Any]:
    """In their names: the parts of both come in the same order, but those of a shortcut."""
    left, found = dict(ours), {}
    for name, value in theirs.state_dict().items():
        kind = name.rsplit(".", 1)[1]
        path = name.rsplit(".", 1)[0].replace(".", "_")
        place = re.sub(r"\d+$", lambda number: str(int(number[0]) - 1), path)
        keys = [f"branch.{path}.{kind}", f"branch.{place}_norm.{kind}"]
        key = next(key for key in keys if key in left)
        found[name] = left.pop(key).view_as(value)
    assert not left
    return found


def test_a_sum_with_the_input_at_the_end_is_a_shortcut() -> None:
    for name, has in [("Residual", True), ("Ghost", True), ("ShuffleUnit", False)]:
        spec = LayerSpec(_HERE + name, (8, 8, 16), (8, 8, 16), 3)
        assert has_shortcut(spec) == has
        lowered = lower_layer(spec)
        assert (lowered.nodes[-1] == Add(len(lowered.nodes) - 1, 0)) == has
    assert not has_shortcut(LayerSpec(_HERE + "Residual", (8, 8, 16), (8, 8, 24), 3))


def test_it_is_lowered_once_and_leaves_what_is_random_as_it_was() -> None:
    spec = LayerSpec(_HERE + "Ghost", (7, 7, 10), (7, 7, 10), 3)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    before = lower_module.cache_info().misses
    lower_layer(spec)
    lower_layer(LayerSpec(**{**vars(spec), "residual": True}))
    assert lower_module.cache_info().misses == before + 1
    assert torch.equal(torch.rand(3), expected)


_UNKNOWN = "there is no primitive for; change that, or write the operator down"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Normed",
            rf"cannot be an operation: .*'native_group_norm' in its GroupNorm 'norm', which {_UNKNOWN}",
        ),
        ("Deciding", "depends on the values in a tensor; let it be the same for every input"),
        ("Scaled", rf"computes 'mul' with its 'gamma', which {_UNKNOWN}"),
        ("Spare", "its parameter 'spare.weight' takes no part in what it computes; leave it out"),
        ("Twice", "uses 'conv.weight' more than once; give every layer weights of its own"),
        ("Several", "returns a tuple, not one tensor; return one"),
        ("Pooled", r"returns \(2, 16\) without computing \(N, C, H, W\) of its input"),
        ("Failing", r"fails on an input of \(2, 16, 8, 8\): shape '\[3, 5\]' is invalid .*; repair it"),
        ("Nothing", "without computing"),
        ("Loose", rf"computes 'constant_pad_nd', which {_UNKNOWN}"),
        ("OtherEps", "with eps 0.001 instead of 1e-05"),
        ("InPlace", "its primitives compute something else, by .*; do without what acts in place"),
        (
            "Asking",
            "must be given 'heads', and is only called with in_channels, .*groups; rename it, or give",
        ),
        ("Choosy", "making it with in_channels=16, out_channels=16 fails: only with 17 channels; let it take these"),
        ("Plain", "is <class 'tests.ops.refused.Plain'>, which is no subclass of torch.nn.Module; name one that is"),
        ("make", "is <function make .*>, which is no subclass of torch.nn.Module"),
        ("Missing", "cannot be imported: module 'tests.ops.refused' has no attribute 'Missing'; install the package"),
    ],
)
def test_what_cannot_be_an_operation_is_refused_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        lower_layer(LayerSpec(f"{refused.__name__}:{name}", (8, 8, 16), (8, 8, 16)))
    assert "\n" not in str(caught.value) and f"{refused.__name__}:{name}" in str(caught.value)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("no_such_package.blocks:Block", "No module named 'no_such_package'; install the package that has it, or add"),
        ("os:", "'os:' is no name of a module; write package.module:Class"),
        ("a b:C", "'a b:C' is no name of a module"),
        (":C", "':C' is no name of a module"),
    ],
)
def test_a_name_that_leads_nowhere(op: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lower_layer(LayerSpec(op, (8, 8, 16), (8, 8, 16)))


def _definition(op: str = _HERE + "Ghost", width: object = 16) -> dict[str, Any]:
    return {
        "name": "theirs",
        "resolution": 16,
        "num_classes": 4,
        "stem": {"width": 16},
        "ops": {"ours": {"expand": 2}, "theirs": {"op": op, "expand": 2}},
        "stages": [{"width": width, "depth": 2}],
        "head": {"width": 32},
    }


def test_a_module_of_other_parts_is_refused_where_widths_are_searched() -> None:
    declared_space(_definition(f"{refused.__name__}:Changing"))
    with pytest.raises(InputError, match=r"operation 'theirs' has other parts as .*->.* than as .*; let it have"):
        declared_space(_definition(f"{refused.__name__}:Changing", [16, 24]))


def _elastic() -> Space:
    definition = _definition()
    ghost, residual = {"op": _HERE + "Ghost", "expand": 2}, {"op": _HERE + "Residual", "se": 0.5}
    shuffle = {"op": _HERE + "ShuffleUnit"}
    definition["stages"] = [
        {"width": [16, 24], "depth": [1, 2], "stride": 2, "ops": {"ghost": ghost, "residual": residual, "ours": {}}},
        {"width": 32, "stride": 2, "ops": {"shuffle": shuffle, "residual": residual}},
    ]
    return declared_space(definition | {"stem": {"width": [8, 16]}, "resolution": [16, 32]})


@pytest.mark.parametrize("seed", range(6))
def test_every_path_of_searched_widths_is_the_plain_network_with_its_weights(seed: int) -> None:
    space = _elastic()
    torch.manual_seed(0)
    net = SuperNet(space)
    randomise(net)
    net.double()
    path = tuple(space.ops_path(space.random_ops(random.Random(seed))))
    images = torch.randn(4, 3, 32, 32, dtype=torch.double)
    side = space.path_network(path)[0].in_shape[0]
    small = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True) if side < 32 else images
    plain = inherit(net, space, path).double().train()
    torch.testing.assert_close(net(images, plain_choices(path)), plain(small), rtol=1e-8, atol=1e-8)


def test_the_fingerprint_of_a_space_changes_with_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    first = declared_space(_definition()).fingerprint
    assert declared_space(_definition()).fingerprint == first
    for cached in (lower_layer, layer_cost):
        cached.cache_clear()
    lower_module.cache_clear()
    monkeypatch.setattr(modules._Half, "forward", lambda self, x: torch.cat([self.primary(x)] * 2, 1))
    monkeypatch.setattr(modules._Half, "__init__", _only_half)
    try:
        assert declared_space(_definition()).fingerprint != first
    finally:
        for cached in (lower_layer, layer_cost):
            cached.cache_clear()
        lower_module.cache_clear()


def _only_half(half: nn.Module, in_channels: int, out_channels: int, active: bool) -> None:
    nn.Module.__init__(half)
    half.primary = nn.Conv2d(in_channels, out_channels // 2, 1)


def test_documents_keep_the_name_and_need_its_package(tmp_path: Path) -> None:
    space = declared_space(_definition())
    Architecture(space, space.random_ops(random.Random(0))).save(tmp_path / "architecture.json")
    table = table_by_macs(space)
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json").covers(space)
    path = tmp_path / "architecture.json"
    assert Architecture.load(path).space.fingerprint == space.fingerprint
    path.write_text(path.read_text().replace("proxyless.testing.modules", "elsewhere.blocks"))
    with pytest.raises(InputError, match=r"No module named 'elsewhere'; install the package that has it"):
        Architecture.load(path)
