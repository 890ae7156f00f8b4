"""The shipped tables against the figures published with them."""

import json
from pathlib import Path

import pytest

from latency.table import MAX_ROWS, LatencyTable
from latency.tables import load_table, shipped_names
from proxyless.config import read_yaml
from proxyless.errors import InputError
from proxyless.space import SKIP, Anchor, LayerSpec, mobile_fixed, tiny_fixed
from proxyless.workflow.pipeline import PipelineSettings
from tests.helpers import table_by_macs


def _uniform(name: str, skip: bool = False) -> float:
    space = mobile_fixed()
    ops = [SKIP if skip and SKIP in layer.choices else name for layer in space.decisions]
    return load_table("pixel1").predict(space.network(ops))


@pytest.mark.parametrize(
    ("name", "skip", "expected_ms"),
    [("k3e3", False, 76.05), ("k3e6", False, 136.47), ("k7e6", False, 191.03), ("k3e3", True, 29.61)],
)
def test_pixel1_sums(name: str, skip: bool, expected_ms: float) -> None:
    assert round(_uniform(name, skip), 2) == expected_ms


def test_pixel1_expectation_and_range() -> None:
    table = load_table("pixel1")
    assert len(table.fixed) + len(table.rows) == 72
    costs = table.costs(mobile_fixed())
    assert round(costs.mean_ms, 2) == 113.99
    assert (round(costs.min_ms, 2), round(costs.max_ms, 2)) == (29.61, 191.03)


def test_note10_network_of_30_ms() -> None:
    fixture = json.loads((Path(__file__).parents[1] / "fixtures" / "ofa_note10_30ms.json").read_text())
    layers = [
        LayerSpec(op, tuple(in_shape), tuple(out_shape), *rest) for op, in_shape, out_shape, *rest in fixture["layers"]
    ]
    assert round(load_table("note10-224").predict(layers), 2) == 29.97


def test_shipped_tables_name_source_and_licence() -> None:
    names = shipped_names()
    assert names == ["note10-160", "note10-176", "note10-192", "note10-208", "note10-224", "pixel1"]
    for name in names:
        table = load_table(name)
        assert table.origin and table.licence
        assert all(row.source == "published" for row in [*table.fixed, *table.rows])


def test_a_missing_row_is_named_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"no row for the layer \[classifier .*1x1x37 none\]; the nearest are \[classifier"
    ):
        load_table("pixel1").costs(mobile_fixed(num_classes=37))


def test_another_version_of_the_space_is_refused() -> None:
    with pytest.raises(InputError, match="with other arguments \\(resolution=32"):
        table_by_macs(tiny_fixed()).costs(tiny_fixed(resolution=40))


def test_round_trip(tmp_path: Path) -> None:
    table = table_by_macs(tiny_fixed())
    table.save(tmp_path / "t.json")
    assert LatencyTable.load(tmp_path / "t.json") == table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixel9", "no latency table 'pixel9': not a file, nor one of note10-160"),
        ("missing.json", "latency table not found: missing.json"),
    ],
)
def test_unknown_tables(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_table(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "s"}, "unit: Input should be 'ms'"),
        ({"overhead_ms": float("nan")}, "overhead_ms: Input should be a finite number"),
        ({"rows": [{"op": "mbconv"}]}, "rows.0.kernel: Field required"),
        ({"format": "latency-table/9"}, "format"),
        ({"device": {}}, "device.name: Field required"),
        ({"device": {"name": "?config=x"}}, "device.name: .* names no device"),
        ({"device": {"name": "ssh://pi\n\x1b[2J"}}, "device.name: .* names no device"),
        ({"device": {"name": 7}}, "device.name: Input should be a valid string"),
        ({"device": {"name": "local", "processor": ["x"]}}, "device.processor: Input should be a valid string"),
        ({"anchors": [{"ops": ["k3e3", 4], "ms": 1.0}]}, "anchors.0.ops.1: Input should be a valid string"),
    ],
)
def test_damaged_tables_get_one_sentence(tmp_path: Path, change: dict[str, object], message: str) -> None:
    document = table_by_macs(tiny_fixed()).model_dump(mode="json", by_alias=True) | change
    (tmp_path / "t.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=message):
        LatencyTable.load(tmp_path / "t.json")
    (tmp_path / "t.json").write_text(json.dumps(document)[:500])
    with pytest.raises(InputError, match="is damaged"):
        LatencyTable.load(tmp_path / "t.json")


def test_what_a_search_would_stumble_over_at_its_end_is_refused_at_its_start() -> None:
    space = tiny_fixed()
    table = table_by_macs(space)
    with pytest.raises(InputError, match="predicts 0 ms for the smallest network, and none takes no time"):
        table_by_macs(space, ms_per_mmac=0.0).costs(space)
    with pytest.raises(InputError, match="timed whole is not of the space: space 'tiny-fixed' has 9 decisions, got 1"):
        table.changed(anchors=[Anchor(ops=["k3e3"], ms=1.0)]).costs(space)


def test_a_second_row_of_a_layer_and_a_second_value_of_a_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    table_by_macs(tiny_fixed()).save(path)
    whole = path.read_text()
    document = json.loads(whole)
    for where in ("rows", "fixed"):
        path.write_text(json.dumps({**document, where: [*document[where], {**document["rows"][0], "ms": 1001}]}))
        with pytest.raises(InputError, match=r"it has two rows for the layer \[.*\]; remove one of them"):
            LatencyTable.load(path)
    path.write_text(whole.replace('"overhead_ms"', '"overhead_ms": 3, "overhead_ms"', 1))
    with pytest.raises(InputError, match="the key 'overhead_ms' is there twice"):
        LatencyTable.load(path)
    (tmp_path / "run.yaml").write_text("output: a\nsearch:\n  epochs: 3\n  epochs: 4\n")
    with pytest.raises(InputError, match="the key 'epochs' is there twice"):
        read_yaml(tmp_path / "run.yaml", PipelineSettings)


def test_the_largest_table_can_be_read_again(tmp_path: Path) -> None:
    table = table_by_macs(tiny_fixed())
    row = table.rows[0].model_copy(update={"ms": 1 / 3, "iqr": 1 / 3, "measured_ms": 1 / 3, "n": 2**31 - 1})
    rows = [row.model_copy(update={"in_shape": (2**31 - 1 - number, 9999, 9999)}) for number in range(2 * MAX_ROWS)]
    largest = table.changed(fixed=rows[:MAX_ROWS], rows=rows[MAX_ROWS:])
    largest.save(tmp_path / "t.json")
    assert len(LatencyTable.load(tmp_path / "t.json").rows) == MAX_ROWS
