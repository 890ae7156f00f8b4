"""Published networks, built of our operators, have the parameters and multiply-accumulates that were published."""

import csv
from collections.abc import Iterator

import pyarrow.parquet as parquet
import pytest

from proxyless.nn import build_network
from proxyless.ops import Activation, Cost, LayerSpec, Shape, divisible, layer_cost, network_cost
from tests.helpers import SHARED

V3_LARGE = """3 16 16 - relu 1, 3 64 24 - relu 2, 3 72 24 - relu 1, 5 72 40 se relu 2, 5 120 40 se relu 1,
5 120 40 se relu 1, 3 240 80 - h_swish 2, 3 200 80 - h_swish 1, 3 184 80 - h_swish 1, 3 184 80 - h_swish 1,
3 480 112 se h_swish 1, 3 672 112 se h_swish 1, 5 672 160 se h_swish 2, 5 960 160 se h_swish 1,
5 960 160 se h_swish 1"""
_V3_SMALL = """3 16 16 se relu 2, 3 72 24 - relu 2, 3 88 24 - relu 1, 5 96 40 se h_swish 2, 5 240 40 se h_swish 1,
5 240 40 se h_swish 1, 5 120 48 se h_swish 1, 5 144 48 se h_swish 1, 5 288 96 se h_swish 2, 5 576 96 se h_swish 1,
5 576 96 se h_swish 1"""
"""Tables 1 and 2 of Howard et al. (ICCV 2019): kernel, inner channels, channels, squeeze-and-excite, act, stride."""
_V2 = "1 16 1 1, 6 24 2 2, 6 32 3 2, 6 64 4 2, 6 96 3 1, 6 160 3 2, 6 320 1 1"
"""Table 2 of Sandler et al. (CVPR 2018): expansion, channels, blocks, stride."""
_MNAS = "3 24 3 2 3, 3 40 3 2 5, 6 80 3 2 5, 6 96 2 1 3, 6 192 4 2 5, 6 320 1 1 3"
"""MnasNet-B1 (Tan et al., CVPR 2019): expansion, channels, blocks, stride, kernel."""


class _Network:
    """Layers that follow each other."""

    def __init__(self, side: int, channels: int = 3) -> None:
        self.shape: Shape = (side, side, channels)
        self.layers: list[LayerSpec] = []

    def add(
        self,
        op: str,
        channels: int,
        kernel: int = 1,
        mid: int | None = None,
        stride: int = 1,
        act: Activation = "relu6",
        se: int = 0,
        residual: bool | None = None,
        groups: int = 1,
    ) -> None:
        side, inputs = -(-self.shape[0] // stride), self.shape[2]
        out = (1, 1, channels) if "classifier" in op else (side, side, channels)
        same = "mbconv" in op and stride == 1 and inputs == channels
        expand = (mid or inputs) / inputs
        self.layers.append(
            LayerSpec(
                op, self.shape, out, kernel, expand, stride, same if residual is None else residual, act, se, groups
            )
        )
        self.shape = out


def mobilenet_v3(blocks: str, head: int, wide: int) -> list[LayerSpec]:
    network = _Network(224)
    network.add("conv", 16, 3, stride=2, act="h_swish")
    for kernel, mid, channels, se, act, stride in map(str.split, blocks.split(",")):
        squeezed = divisible(int(mid) // 4) if se == "se" else 0
        kind: Activation = "relu" if act == "relu" else "h_swish"
        network.add("mbconv", int(channels), int(kernel), int(mid), int(stride), kind, squeezed)
    network.add("conv", head, act="h_swish")
    network.add("wide_classifier", 1000, mid=wide, act="h_swish")
    return network.layers


def _stages(network: _Network, stages: str, kernel: int = 3) -> None:
    for stage in stages.split(","):
        expand, channels, blocks, stride, *own = map(int, stage.split())
        for block in range(blocks):
            mid = expand * network.shape[2]
            network.add("mbconv", channels, own[0] if own else kernel, mid, stride if block == 0 else 1)


def mobilenet_v2() -> list[LayerSpec]:
    network = _Network(224)
    network.add("conv", 32, 3, stride=2)
    _stages(network, _V2)
    network.add("conv", 1280)
    network.add("classifier", 1000)
    return network.layers


def _mnasnet() -> list[LayerSpec]:
    network = _Network(224)
    network.add("conv", 32, 3, stride=2, act="relu")
    network.add("mbconv", 16, 3)
    _stages(network, _MNAS)
    network.add("conv", 1280, act="relu")
    network.add("classifier", 1000)
    return network.layers


@pytest.mark.parametrize(
    ("layers", "params"),
    [
        (mobilenet_v2(), 3_504_872),
        (mobilenet_v3(V3_LARGE, 960, 1280), 5_483_032),
        (mobilenet_v3(_V3_SMALL, 576, 1024), 2_542_856),
        (_mnasnet(), 4_383_312),
    ],
    ids=["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet1_0"],
)
def test_parameters_are_those_that_torchvision_states(layers: list[LayerSpec], params: int) -> None:
    assert network_cost(layers).params == params
    assert sum(parameter.numel() for parameter in build_network(layers).parameters()) == params


def _accel(row: dict[str, list[int]]) -> list[LayerSpec]:
    network = _Network(224)
    network.add("conv", 32, 3, stride=2, act="swish")
    plan = zip(
        (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1), row["e"], row["k"], row["l"], row["se"], strict=True
    )
    for channels, stride, expand, kernel, blocks, se in plan:
        for block in range(blocks):
            inputs = network.shape[2]
            first = stride if block == 0 else 1
            network.add("mbconv", channels, kernel, expand * inputs, first, "swish", se * (inputs // 4))
    network.add("conv", 1280, act="swish")
    network.add("classifier", 1000)
    return network.layers


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published measurements are not beside this folder")
def test_parameters_of_accel_nasbench() -> None:
    table = parquet.read_table(SHARED / "devices" / "accelnasbench.parquet", columns=["e", "k", "l", "se", "params_M"])
    rows = table.to_pylist()
    assert len(rows) == 5138
    wrong = [row for row in rows if abs(network_cost(_accel(row)).params / 1e6 - row["params_M"]) > 5e-7]
    assert not wrong, wrong[:3]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published measurements are not beside this folder")
def test_every_operation_of_fbnet() -> None:
    with (SHARED / "devices" / "fbnet_ops.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 198
    for row in rows:
        cost = _fbnet(row)
        assert (cost.macs, cost.params) == (int(row["conv_macs"]), int(row["params"])), row


def _fbnet(row: dict[str, str]) -> Cost:
    network = _Network(int(row["in_h"]), int(row["in_c"]))
    channels, stride, residual = int(row["out_c"]), int(row["stride"]), row["residual"] == "1"
    if row["op"] != "skip":
        mid, kernel, groups = int(row["expand"]) * int(row["in_c"]), int(row["kernel"]), int(row["groups"])
        network.add("mbconv_expanded", channels, kernel, mid, stride, "relu", residual=residual, groups=groups)
    elif not residual:
        network.add("conv", channels, stride=stride, act="relu")
    return network_cost(network.layers)


def _iotnet(row: dict[str, list[int]]) -> Iterator[LayerSpec]:
    network = _Network(32)
    network.add("conv", int(row["stem_c"]), 3, act="relu")  # type: ignore[call-overload]
    for expand, channels, blocks, stride in zip(row["expand"], row["out_c"], row["blocks"], row["stride"], strict=True):
        for block in range(blocks):
            first, inputs = stride if block == 0 else 1, network.shape[2]
            op = "mbconv_projected" if first == 1 and inputs != channels else "mbconv_expanded"
            network.add(op, channels, 3, expand * inputs, first, "relu")
    network.add("conv", int(row["head_c"]), act="relu")  # type: ignore[call-overload]
    network.add("classifier", 10)
    yield from network.layers


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published measurements are not beside this folder")
def test_mobilenets_of_iotnets() -> None:
    """Their parameters count the running statistics of BatchNorm too: two per channel, and one per layer."""
    rows = parquet.read_table(SHARED / "devices" / "iotnets.parquet").to_pylist()
    rows = [row for row in rows if row["space"] == "mobilenetv2"]
    assert len(rows) == 280
    for row in rows:
        layers = list(_iotnet(row))
        assert network_cost(layers).macs == row["macs"]
        state = sum(value.numel() for value in build_network(layers).state_dict().values())
        assert state == row["params"]


def test_an_operator_counts_what_torch_has() -> None:
    for spec in mobilenet_v3(_V3_SMALL, 576, 1024):
        assert layer_cost(spec).params == sum(p.numel() for p in build_network([spec]).parameters())
