from pathlib import Path

import pytest

from latency.published import import_published
from latency.tables import load_table
from proxyless.errors import InputError

_PROXYLESS = """
Conv-input:224x224x3-output:112x112x32: {mean: 4.083755600814664, count: 982}
Logits-input:7x7x1280-output:1000: {mean: 0.3096415478615071, count: 982}
expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0: {mean: 6.240567073170731}
"""
_OFA = """
Logits-input:1x1x1536-output:1000: {mean: 0.656440881763527, count: 499}
expanded_conv-input:10x10x136-output:10x10x136-expand:408-kernel:3-stride:1-idskip:1-se:1-hs:1: {mean: 0.86918}
"""


@pytest.mark.parametrize(("text", "shipped"), [(_PROXYLESS, "pixel1"), (_OFA, "note10-160")])
def test_imported_rows_are_those_of_the_shipped_table(tmp_path: Path, text: str, shipped: str) -> None:
    (tmp_path / "lut.yaml").write_text(text)
    table = import_published(tmp_path / "lut.yaml", "phone")
    reference = load_table(shipped)
    rows = [*table.fixed, *table.rows]
    assert len(rows) == text.count("mean")
    assert all(reference.lookup(row.spec) == row.ms for row in rows)
    assert table.label == "an unknown runtime"  # of which the published file says nothing
    assert import_published(tmp_path / "lut.yaml", "phone", "tflite").runtime.name == "tflite"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a published latency table"),
        ("[1, 2]", "not a published latency table"),
        ("a: {b", "cannot be read as YAML"),
        ("a: {mean: 1}", "an entry that is not understood: 'a'"),
        ("Conv-input:224x224x3-output:112x112x32: {mean: fast}", "not understood"),
        ("Pool-input:224x224x3-output:112x112x32: {mean: 1}", "a layer of an unknown kind"),
        ("Conv-input:224x224x3-output:112x112x32: {mean: .inf}", "an impossible entry"),
        ("Conv-input:224x224x3-output:0x112x32: {mean: 1}", "an impossible entry"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
    ],
)
def test_bad_tables_get_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lut.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        import_published(tmp_path / "lut.yaml", "phone")
