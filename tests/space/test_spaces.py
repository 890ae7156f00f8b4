import random
from itertools import pairwise

import pytest

from proxyless.errors import InputError
from proxyless.space import SKIP, SPACES, build_space, mobile_fixed, tiny_fixed
from tests.helpers import architecture


def test_mobile_is_the_published_space() -> None:
    space = mobile_fixed()
    assert len(space.decisions) == 21
    assert sorted(len(layer.choices) for layer in space.decisions) == [6] * 6 + [7] * 15
    assert f"{space.size:.1e}" == "2.2e+17"
    assert len(space.specs()) == 70  # 66 searched layers, stem, first block, feature mix, classifier


@pytest.mark.parametrize("name", SPACES)
def test_skip_is_offered_exactly_where_the_shape_is_kept(name: str) -> None:
    for resolution in (16, 224):
        space = build_space(name, {"resolution": resolution})
        for decision, slot in space.searched:
            always = all(spec.in_shape == spec.out_shape and spec.stride == 1 for spec in slot.layers)
            offered = SKIP in space.decisions[decision].choices
            assert offered == always or name in ("mobilenetv3", "mnasnet")  # where depths are limited, or chosen
            for spec in slot.layers:
                assert spec.residual == (spec.in_shape == spec.out_shape and spec.stride == 1)


@pytest.mark.parametrize("name", [name for name in SPACES if name != "nasbench201"])
@pytest.mark.parametrize("resolution", [33, 40, 97])
def test_any_random_network_chains_at_odd_resolutions(name: str, resolution: int) -> None:
    space = build_space(name, {"resolution": resolution, "num_classes": 3})
    layers = space.network(space.random_ops(random.Random(0)))
    for before, after in pairwise(layers):
        assert before.out_shape == after.in_shape
    assert layers[-1].out_shape == (1, 1, 3)


def test_fingerprint_changes_with_any_argument_and_is_stable() -> None:
    assert tiny_fixed().fingerprint == tiny_fixed().fingerprint
    assert (
        len({tiny_fixed().fingerprint, tiny_fixed(resolution=40).fingerprint, tiny_fixed(num_classes=2).fingerprint})
        == 3
    )


def test_width_multiplier_rounds_to_multiples_of_eight() -> None:
    space = mobile_fixed(width_mult=0.5)
    assert all(spec.out_shape[2] % 8 == 0 for spec in space.specs()[:-1])
    assert space.fixed[-2].out_shape[2] == 1280
    assert mobile_fixed(width_mult=1.4).fixed[-2].out_shape[2] == 1792  # MobileNetV2 1.4
    small = tiny_fixed(width_mult=0.5)
    widths = [slot.layers[0].out_shape[2] for _, slot in small.searched]
    assert widths == [16] * 2 + [24] * 3 + [32] * 3 + [48]
    assert small.fixed[-2].out_shape[2] == 256 and build_space("tiny-fixed", small.args) == small


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("huge", {}, "unknown space 'huge'; choose of mobile, mobile-fixed, tiny, tiny-fixed"),
        ("tiny-fixed", {"depth": 3}, "has no argument 'depth'"),
        ("tiny-fixed", {"resolution": 4}, "resolution of space 'tiny-fixed' must be from 8 to 4096, got 4"),
        ("tiny-fixed", {"resolution": "32"}, "must be a whole number or a list of them, got '32'"),
        ("tiny-fixed", {"num_classes": True}, "must be a whole number, got True"),
        ("mobile-fixed", {"stage_widths": [1, 2]}, "needs 6 widths"),
        ("mobile-fixed", {"stage_widths": 5}, "must be a list of whole numbers"),
        ("mobile-fixed", {"width_mult": 0}, "must be from 0.05 to 10, got 0"),
        ("nasbench201", {"resolution": 30}, "resolution of space 'nasbench201' must be a multiple of 4, got 30"),
        ("nasbench201", {"cells": 0}, "cells of space 'nasbench201' must be from 1 to 100, got 0"),
        ("tiny-fixed", {"width_mult": 11.0}, "width_mult of space 'tiny-fixed' must be from 0.05 to 10, got 11.0"),
    ],
)
def test_bad_arguments_get_one_sentence(name: str, args: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_space(name, args)


def test_a_path_names_the_operations_of_its_layers() -> None:
    space = tiny_fixed()
    ops = architecture("k3e3 k5e3 k7e3 k3e6 skip k5e6 k7e6 k3e3 k7e6", space).ops
    path = [0, 1, 2, 3, 6, 4, 5, 0, 5]
    assert space.path_ops(path) == ops and space.ops_path(ops) == path
    with pytest.raises(InputError, match=r"stage1\.block1 of space 'tiny-fixed' has no choice 'skip'"):
        space.ops_path([SKIP] * 9)


@pytest.mark.parametrize("name", ["k3", "k0e3", "skip ", "", "e3k3", "k3e3e3"])
def test_unknown_operation_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"stage1\.block1 of space 'tiny-fixed' has no choice"):
        tiny_fixed().check([name] * 9)
