"""Two tables side by side, and pictures of one."""

from pathlib import Path

import pytest
from PIL import Image

from latency.compare import compare
from latency.plots import plot_table
from latency.table import LatencyTable
from latency.tables import load_table
from proxyless.errors import InputError
from proxyless.space import mobile_fixed, tiny_fixed
from tests.helpers import table_by_macs


def _slow_large_kernels(table: LatencyTable) -> LatencyTable:
    rows = [row.model_copy(update={"ms": row.ms * (20 if row.kernel == 7 else 1)}) for row in table.rows]
    return table.changed(rows=rows)


def test_a_table_agrees_with_itself_and_not_with_one_where_large_kernels_are_slow() -> None:
    table, space = table_by_macs(tiny_fixed()), tiny_fixed()
    same = compare(table, table, space)
    assert same.spearman == pytest.approx(1)
    assert same.networks is not None
    assert (same.networks.spearman, same.networks.kendall, same.networks.fastest_shared) == pytest.approx((1, 1, 1))
    other = compare(table, _slow_large_kernels(table), space)
    assert all(pair.second_ms == pytest.approx(20 * pair.first_ms) for pair in other.pairs if pair.spec.kernel == 7)
    assert other.networks is not None and other.networks.kendall is not None and other.networks.kendall < 0.6
    assert other.spearman is not None and other.spearman < 0.9


def test_published_tables_of_one_phone_at_two_resolutions_have_only_what_is_the_same() -> None:
    first, second = load_table("note10-224"), load_table("note10-192")
    found = compare(first, second, None)
    both = {row.spec for row in [*first.fixed, *first.rows] if second.has(row.spec)}
    assert {pair.spec for pair in found.pairs} == both and 2 <= len(both) < len(first.rows)
    assert all(pair.first_ms == first.lookup(pair.spec) for pair in found.pairs)
    assert all(pair.second_ms == second.lookup(pair.spec) for pair in found.pairs)


def test_tables_of_different_spaces_are_not_compared() -> None:
    with pytest.raises(InputError, match=r"have \d+ of \d+ layers in common; compare tables of one space"):
        compare(load_table("pixel1"), table_by_macs(tiny_fixed()), None)


def test_pictures_are_drawn_of_what_the_table_has(tmp_path: Path) -> None:
    written = plot_table(load_table("pixel1"), mobile_fixed(), tmp_path / "pictures")
    assert [path.name for path in written] == ["layers.svg", "layers.png"]
    assert written[0].read_text().startswith("<?xml")
    with Image.open(written[1]) as picture:
        assert picture.width > 800 and len(picture.convert("RGB").getcolors(1 << 24) or []) > 6
    with pytest.raises(InputError, match="nothing can be drawn"):
        plot_table(load_table("pixel1"), None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
