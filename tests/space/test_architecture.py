import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyless.errors import InputError
from proxyless.space import Architecture, BudgetedTarget, build_space, tiny_fixed
from tests.helpers import MIXED_OPS, architecture

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["tiny-fixed", "mobile-fixed"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    space = build_space(name, {"num_classes": 7})
    target = BudgetedTarget(runtime="litert", threads=2, batch=1, delegate="xnnpack", budget_ms=3, predicted_ms=2.5)
    found = Architecture(space, space.random_ops(random.Random(1)), target)
    found.save(tmp_path / "a.json")
    again = Architecture.load(tmp_path / "a.json")
    assert (again.ops, again.target, again.space.fingerprint) == (found.ops, target, space.fingerprint)


def test_the_contract_alone_is_enough(tmp_path: Path) -> None:
    minimal = {"format": "architecture/1", "space": "tiny-fixed", "space_args": {}, "ops": MIXED_OPS.split()}
    (tmp_path / "a.json").write_text(json.dumps(minimal))
    assert Architecture.load(tmp_path / "a.json").ops == tuple(MIXED_OPS.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ops": ["k3e3"]}, "has 9 decisions, got 1"),
        ({"ops": ["skip"] * 9}, "stage1.block1 of space 'tiny-fixed' has no choice 'skip'"),
        ({"space": "other"}, "unknown space 'other'"),
        ({"format": "architecture/2"}, "Input should be 'architecture/1'"),
        ({"fingerprint": "0"}, "another version of the space"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(architecture(MIXED_OPS).document() | change))
    with pytest.raises(InputError, match=message):
        Architecture.load(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": "architecture/1"', "\x00\xff"])
def test_damaged_files_get_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        Architecture.load(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(sorted(architecture(MIXED_OPS).document())), value=_JSON)
def test_any_value_in_any_field_loads_or_is_refused(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(architecture(MIXED_OPS).document() | {key: value}))
    with suppress(InputError):
        assert len(Architecture.load(tmp_path / "a.json").ops) == len(tiny_fixed().decisions)
