"""Whatever is in a file, its reader takes it or refuses it in one sentence, at once, without taking memory."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from proxyless.config import read_yaml
from proxyless.errors import InputError, one_line, shown
from proxyless.files import MAX_JSON_BYTES, read_json, write_json
from proxyless.nn import build_network, save_weights
from proxyless.space import Architecture, build_space, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.trained import ARCHITECTURE, DESCRIPTION, WEIGHTS, TrainedInfo, load_trained, save_info
from tests.helpers import MIXED_OPS, architecture

_BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
_READERS = ["architecture", "latency table", "configuration", "settings of a search", "settings of a training"]
_READERS += ["preprocessing", "search result", "trained folder"]


@pytest.mark.parametrize("name", _READERS)
def test_damaged_files_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    from fuzz import fuzz
    from fuzz_cases import readers

    assert set(readers()) == set(_READERS)
    outcome = fuzz(readers()[name].cases, readers()[name].read, 40)
    assert [why for why, _ in outcome.failures] == []
    assert outcome.read + outcome.refused >= 40 and outcome.refused > 0


_INPUTS = ["EXIF of a photograph", "folder tree", "parquet columns", "replies of a device", "unfinished profile"]
_INPUTS += ["checkpoint"]


@pytest.mark.parametrize("name", _INPUTS)
def test_what_comes_from_others_is_read_right_or_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    from fuzz import fuzz
    from fuzz_inputs import inputs
    from fuzz_kept import kept

    known = {**inputs(), **kept()}
    assert set(known) == set(_INPUTS)
    outcome = fuzz(known[name].cases, known[name].read, 60)
    assert [why for why, _ in outcome.failures] == []
    assert outcome.read > 0 and (outcome.refused > 0 or name.startswith("EXIF"))


def _allocate(folder: Path) -> None:
    bytearray(2**31)


def _refuse_at_length(folder: Path) -> None:
    raise InputError("x" * 2000)


def _loop(folder: Path) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda folder: int("x"), "ValueError"),
        (_allocate, "MemoryError"),
        (_loop, "Late"),
        (_refuse_at_length, "a message of 2000 characters"),
    ],
)
def test_a_reader_that_fails_is_noticed(
    read: Callable[[Path], object], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    import fuzz

    monkeypatch.setattr(fuzz, "CASE_S", 0.05)
    outcome = fuzz.fuzz(st.just({}), read, 1)
    assert [found.startswith(why) for found, _ in outcome.failures] == [True]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"resolution": 10**6}, "resolution of space 'mobile-fixed' must be from 8 to 4096, got 1000000"),
        ({"num_classes": 10**9}, "num_classes of space 'mobile-fixed' must be from 1 to 100000"),
        ({"stage_widths": [10**9] * 6}, "stage1_width of space 'mobile-fixed' must be from 1 to 65536"),
        ({"width_mult": 1e9}, "width_mult of space 'mobile-fixed' must be from 0.05 to 10"),
        ({"head_width": 10**30}, "head_width of space 'mobile-fixed' must be from 1 to 65536"),
        (
            {"stage_widths": [60_000] * 6},
            r"up to [\d,]+ parameters with these widths, more than 1,000,000,000",
        ),
    ],
)
def test_enormous_spaces_are_refused(args: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_space("mobile-fixed", args)


def test_the_widest_multiplier_is_not_too_wide() -> None:
    assert (
        build_space("mobile-fixed", {"width_mult": 10.0}).decisions
        and build_space("tiny-fixed", {"width_mult": 10.0}).decisions
    )


def test_weights_that_are_too_small_are_refused_before_the_network_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = architecture(MIXED_OPS), architecture(MIXED_OPS, tiny_fixed(width_mult=10.0))
    large.save(tmp_path / ARCHITECTURE)
    save_weights(tmp_path / WEIGHTS, build_network(small.layers))
    numbers = {"best_epoch": 1, "validation_accuracy": 0.5, "test_accuracy": 0.5}
    third = (0.5, 0.5, 0.5)
    classes = [str(index) for index in range(10)]
    document = {"data": "digits", "classes": classes, "mean": third, "std": third, **numbers}
    save_info(tmp_path, TrainedInfo.model_validate(document))
    monkeypatch.setattr("proxyless.train.trained.build_network", lambda layers: pytest.fail("was built"))
    with pytest.raises(InputError, match=r"weights .* have [\d,]+ bytes, but the network of .* takes at least [\d,]+"):
        load_trained(tmp_path)
    write_json(tmp_path / DESCRIPTION, {**document, "classes": ["a"]})
    with pytest.raises(InputError, match=r"names 1 classes, but .* has 10"):
        load_trained(tmp_path)


def test_aliases_that_stand_for_gigabytes_are_refused(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x]"]
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True):
        lines.append(f"{new}: &{new} [{', '.join(8 * ['*' + old])}]")
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    start = time.process_time()
    with pytest.raises(InputError, match="cannot be read as YAML: aliases are not read, write the value out"):
        read_yaml(tmp_path / "bomb.yaml", TrainSettings)
    assert time.process_time() - start < 1


def test_files_without_end_are_not_read_to_their_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has more than 16,777,216 bytes, which none needs"):
        read_json(Path("/dev/zero"), "latency table")
    (tmp_path / "large.json").write_text(" " * MAX_JSON_BYTES + "1")
    with pytest.raises(InputError, match="which none needs"):
        Architecture.load(tmp_path / "large.json")


def test_values_in_messages_are_short_and_on_one_line() -> None:
    nested: list[object] = []
    for _ in range(10_000):
        nested = [nested, nested]
    for value in ("x\ny", "\ud800", 16**6000, nested, list(range(10**6)), {"a" * 10**6: 1}):
        text = shown(value)
        assert len(text) <= 60 and text.isprintable()
    assert one_line("a\n b\x00" + "c" * 1000) == "a b?" + "c" * 393 + "..."
    assert shown([24, 40, 80]) == "[24, 40, 80]" and shown(1e308) == "1e+308"
