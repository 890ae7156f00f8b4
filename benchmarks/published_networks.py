"""Published tables of measured networks, as counts of (layer, op) columns and physical features of these columns.

The parquet files are those of HELP (FBNet, NAS-Bench-201 and Once-for-All spaces) and of Accel-NASBench.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latency.fit.columns import indicator
from latency.fit.grouped import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Networks:
    """Networks of one space.

    counts: (networks, columns), how often a network has a column; where resolutions differ, times the share of the
    area. groups: (columns, features) by name. physical: the group of total work.
    """

    counts: Array
    groups: dict[str, Array]
    physical: str = "total"


@dataclass(frozen=True)
class Measured:
    """networks: in the order of the file, which is that of the measurement. devices: milliseconds (networks,) by
    column, NaN where missing. arch_ids: names of the networks, the same in all files of a space."""

    networks: Networks
    devices: dict[str, Array]
    arch_ids: Ints


def load_measured(path: Path) -> Measured:
    """Read a table, recognised by its columns.

    Raises:
        ValueError: none of the known spaces.
    """
    table = pq.read_table(path)
    names = set(table.column_names)
    for encode, encoding in _SPACES:
        if encoding <= names:
            return Measured(encode(table), _latencies(table, encoding), _arch_ids(table))
    raise ValueError(f"{path} is of no known space; its columns are {sorted(names)}")


def _arch_ids(table: pa.Table) -> Ints:
    """Networks without a name are called by their place in the file."""
    return table["arch_id"].to_numpy() if "arch_id" in table.column_names else np.arange(table.num_rows)


def load_columns(path: Path, arch_ids: Ints) -> dict[str, Array]:
    """Latencies of another file of the same space, in the order of these networks."""
    table = pq.read_table(path)
    place = {arch: row for row, arch in enumerate(_arch_ids(table).tolist())}
    order = [place.get(arch, -1) for arch in arch_ids.tolist()]
    encodings = [encoding for _, encoding in _SPACES if encoding <= set(table.column_names)]
    found = _latencies(table, set().union(*encodings))
    return {name: np.append(values, np.nan)[order] for name, values in found.items()}


def _latencies(table: pa.Table, encoding: set[str]) -> dict[str, Array]:
    """Every numeric column that is none of the encoding's, in milliseconds."""
    found = {}
    for field in table.schema:
        numeric = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        described = field.name in {*encoding, "arch_id", "id", "macs_M", "params_M", "train_time_s"}
        if numeric and not described and not any(part in field.name for part in ("top", "_std")):
            values = np.asarray(table[field.name].to_numpy(zero_copy_only=False), dtype=np.float64)
            found[field.name] = 1000 / values if field.name.endswith("img_s") else values
    return found


@dataclass(frozen=True)
class Block:
    """An inverted bottleneck, one column: what its cost can depend on."""

    stage: str
    layer: str
    kernel: int
    in_side: float
    out_side: float
    in_c: int
    mid_c: int
    out_c: int
    groups: int = 1
    expands: bool = True
    squeeze: int = 0

    def work(self) -> list[float]:
        """MACs of 1x1 convolutions, of grouped ones, of depthwise ones; activations; parameters; operators;
        activations that are squeezed and excited."""
        in_area, out_area = self.in_side**2, self.out_side**2
        wide = in_area * self.in_c * self.mid_c * self.expands
        pointwise = (wide + out_area * self.mid_c * self.out_c) / self.groups
        depthwise = out_area * self.mid_c * self.kernel**2
        moved = in_area * self.in_c + 2 * in_area * self.mid_c * self.expands + out_area * (2 * self.mid_c + self.out_c)
        weights = self.mid_c * (self.in_c * self.expands + self.out_c) / self.groups
        weights += self.mid_c * self.kernel**2 + 2 * self.mid_c * self.squeeze
        excited = out_area * self.mid_c * (self.squeeze > 0)
        calls = 2 + self.expands + 4 * (self.squeeze > 0) + 2 * (self.groups > 1)
        return [pointwise, pointwise * (self.groups > 1), depthwise, moved + excited, weights, calls, excited]

    def factors(self) -> tuple[str, str, str, str | None]:
        """Kernel, expansion, groups, squeeze-and-excite."""
        expand = round(self.mid_c / self.in_c)
        return f"k{self.kernel}", f"e{expand}", f"g{self.groups}", "se" if self.squeeze else None


_STAGED = (0, 2, 3, 5, 6)
"""The kinds of work whose cost may differ between stages."""


def _physical(blocks: Sequence[Block | None], others: Sequence[str | None]) -> dict[str, Array]:
    """Groups of features of the columns. None: a column without a bottleneck, of the kind that `others` names."""
    work = np.array([block.work() if block else [0.0] * 7 for block in blocks])
    total = work / np.maximum(work.max(axis=0), 1e-12)
    stage = indicator([block.stage if block else None for block in blocks])
    layer = indicator([block.layer if block else None for block in blocks])
    factors = [block.factors() if block else None for block in blocks]
    factor = np.hstack([indicator([found and found[place] for found in factors]) for place in range(4)])
    kind = indicator(factors)
    return {
        "total": total,
        "kind": np.hstack([kind, indicator(others)]),
        "stage": np.hstack([stage * total[:, [i]] for i in _STAGED]),
        "layer": layer,
        "stage_factor": np.hstack([stage * column[:, None] for column in factor.T]),
        "layer_factor": np.hstack([layer * column[:, None] for column in factor.T]),
    }


def _lists(table: pa.Table, name: str) -> Ints:
    return np.array(table[name].to_pylist(), dtype=np.int64)


def _one_hot(chosen: Ints, count: int) -> Array:
    """(networks, layers) choices to (networks, layers, count)."""
    return np.asarray(np.eye(count)[chosen])


_FBNET_STAGES = ((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))
"""Channels, layers, stride of the first layer; 16 channels at 32x32 go in."""
_FBNET_OPS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))
"""Kernel, expansion, groups; the ninth operation is the skip, a 1x1 convolution where the shape changes."""


def _fbnet(table: pa.Table) -> Networks:
    """22 layers of 9 operations."""
    blocks: list[Block | None] = []
    others: list[str | None] = []
    side, in_c = 32, 16
    for out_c, depth, first_stride in _FBNET_STAGES:
        for place in range(depth):
            stride = first_stride if place == 0 else 1
            layer, out_side = str(len(blocks) // 9), side // stride
            for kernel, expand, groups in _FBNET_OPS:
                stage = f"{out_side}x{out_c}"
                blocks.append(Block(stage, layer, kernel, side, out_side, in_c, in_c * expand, out_c, groups))
            blocks.append(None)
            others += [*[None] * 8, "skip" if (stride, in_c) == (1, out_c) else "reduce"]
            side, in_c = out_side, out_c
    counts = _one_hot(_lists(table, "ops"), 9)
    return Networks(counts.reshape(len(counts), -1), _physical(blocks, others))


_NB201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_NB201_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NB201_WORK = np.array([[0, 0, 0, 0], [0, 0, 0.1, 0.2], [1 / 9, 1 / 9, 1, 1], [1, 1, 1, 1], [0, 0.1, 0.6, 0.6]])
"""MACs, parameters, traffic and operators of each operation relative to the 3x3 convolution: the same in all stages."""


def _nb201(table: pa.Table) -> Networks:
    """6 edges of 5 operations: once for every edge, once for those on a path from input to output."""
    index = {name: number for number, name in enumerate(_NB201_OPS)}
    cells = [
        [part.split("~")[0] for part in text.replace("+", "").split("|") if part] for text in table["arch"].to_pylist()
    ]
    ops = np.array([[index[name] for name in cell] for cell in cells])
    every = _one_hot(ops, 5)
    both = np.concatenate([every, every * _live(ops)[:, :, None]], axis=1).reshape(len(ops), -1)
    work, kind = np.tile(_NB201_WORK, (6, 1)), np.tile(np.eye(5)[:, 1:], (6, 1))
    groups = {
        "total": np.vstack([work, 0 * work]),
        "kind": np.vstack([kind, 0 * kind]),
        "live": np.vstack([0 * kind, kind]),
        "live_total": np.vstack([0 * work, work]),
    }
    return Networks(both, groups)


def _live(ops: Ints) -> NDArray[np.bool_]:
    """Which edges lie on a path from input to output, (networks, 6)."""
    used, everywhere = ops != 0, np.ones(len(ops), bool)
    reached, leads = {0: everywhere}, {3: everywhere}
    for node in (1, 2, 3):
        reached[node] = np.any([used[:, i] & reached[a] for i, (a, b) in enumerate(_NB201_EDGES) if b == node], axis=0)
    for node in (2, 1, 0):
        leads[node] = np.any([used[:, i] & leads[b] for i, (a, b) in enumerate(_NB201_EDGES) if a == node], axis=0)
    return np.stack([reached[a] & leads[b] for a, b in _NB201_EDGES], axis=1)


_OFA_WIDTHS = (24, 32, 48, 96, 136, 192)
_OFA_STRIDES, _OFA_SE = (2, 2, 2, 1, 2), (0, 1, 0, 1, 1)


def _ofa(table: pa.Table) -> Networks:
    """20 positions of 9 operations, once as they are and once as a share of the area at 224; and the area itself."""
    kernels, expands, depths = (_lists(table, name) for name in ("ks", "e", "d"))
    side = np.asarray(table["r"].to_numpy(), dtype=np.float64)
    ops = (kernels - 3) // 2 * 3 + np.searchsorted([3, 4, 6], expands)
    active = np.repeat(depths, 4, axis=1) > np.tile(np.arange(4), 5)
    counts = _one_hot(ops, 9) * active[:, :, None]
    areas = counts * _ofa_areas(side)[:, :, None]
    stacked = [counts.reshape(len(side), -1), areas.reshape(len(side), -1), (side[:, None] / 224) ** 2]
    blocks = [block for position in range(20) for block in _ofa_blocks(position)]
    groups: dict[str, Array] = {}
    for name, block in _physical(blocks, [None] * len(blocks)).items():
        none, rest = np.zeros_like(block), np.zeros((1, block.shape[1]))
        groups[f"{name}_count"] = np.vstack([block, none, rest])
        groups[f"{name}_area"] = np.vstack([none, block, rest])
    groups["rest"] = np.append(np.zeros(2 * len(blocks)), 1.0)[:, None]
    return Networks(np.hstack(stacked), groups, physical="total_area")


def _ofa_areas(side: Array) -> Array:
    """Area of each position relative to that at 224, (networks, 20); feature maps round up."""
    shares, here, full = [], np.ceil(side / 2), 112.0
    for stride in _OFA_STRIDES:
        after, full_after = np.ceil(here / stride), full / stride
        shares.append(here * after / (full * full_after))
        shares += [(after / full_after) ** 2] * 3
        here, full = after, full_after
    return np.stack(shares, axis=1)


def _ofa_blocks(position: int) -> list[Block]:
    stage, first = position // 4, position % 4 == 0
    out_side = 112.0 / np.prod(_OFA_STRIDES[: stage + 1])
    in_side = out_side * (_OFA_STRIDES[stage] if first else 1)
    in_c, out_c = _OFA_WIDTHS[stage if first else stage + 1], _OFA_WIDTHS[stage + 1]
    widths = [(kernel, in_c * expand) for kernel in (3, 5, 7) for expand in (3, 4, 6)]
    return [
        Block(str(stage), str(position), kernel, in_side, out_side, in_c, mid, out_c, squeeze=mid // 4 * _OFA_SE[stage])
        for kernel, mid in widths
    ]


_ACCEL_WIDTHS = (32, 16, 24, 40, 80, 112, 192, 320)
_ACCEL_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def _accel(table: pa.Table) -> Networks:
    """7 stages of 12 operations, for their first layer and for the others."""
    expands, kernels, layers, squeezes = (_lists(table, name) for name in ("e", "k", "l", "se"))
    ops = np.searchsorted([1, 4, 6], expands) * 4 + (kernels - 3) // 2 * 2 + squeezes
    first = _one_hot(ops, 12)
    counts = np.stack([first, first * (layers[:, :, None] - 1)], axis=2)
    blocks = [block for stage in range(7) for is_first in (True, False) for block in _accel_blocks(stage, is_first)]
    return Networks(counts.reshape(len(ops), -1), _physical(blocks, [None] * len(blocks)))


def _accel_blocks(stage: int, first: bool) -> list[Block]:
    out_side = 112.0 / np.prod(_ACCEL_STRIDES[: stage + 1])
    in_side = out_side * (_ACCEL_STRIDES[stage] if first else 1)
    in_c, out_c = _ACCEL_WIDTHS[stage if first else stage + 1], _ACCEL_WIDTHS[stage + 1]
    layer = f"{stage} {'first' if first else 'other'}"
    return [
        Block(
            str(stage),
            layer,
            kernel,
            in_side,
            out_side,
            in_c,
            in_c * expand,
            out_c,
            expands=expand > 1,
            squeeze=squeeze * max(1, in_c // 4),
        )
        for expand in (1, 4, 6)
        for kernel in (3, 5)
        for squeeze in (0, 1)
    ]


_SPACES: tuple[tuple[Callable[[pa.Table], Networks], set[str]], ...] = (
    (_fbnet, {"ops"}),
    (_nb201, {"arch"}),
    (_ofa, {"ks", "e", "d", "r"}),
    (_accel, {"e", "k", "l", "se"}),
)
"""How to encode each space, and the columns that say which it is."""
