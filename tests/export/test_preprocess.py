"""`preprocess.json`: what is written can be read, and what cannot be meant is refused with one sentence."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.preprocess import FileInput, Preprocess
from proxyless.errors import InputError

_OLD: dict[str, Any] = {
    "format": "preprocess/1",
    "size": [32, 48],
    "resize": "shorter side, bilinear, centre crop",
    "channels": "RGB",
    "scale": "divide by 255, subtract mean, divide by std",
    "mean": [0.5, 0, 0.25],
    "std": [0.1, 1, 2],
    "files": {"model.onnx": {"layout": "NCHW", "dtype": "float32"}},
}
"""As it was written before there was a model of it."""


def test_documents_written_before_there_was_int8_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "preprocess.json").write_text(json.dumps(_OLD))
    found = Preprocess.load(tmp_path / "preprocess.json")
    assert found.size == (32, 48) and found.mean == (0.5, 0, 0.25)
    found.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == _OLD


def test_one_file_of_several() -> None:
    files = {"model.onnx": FileInput(layout="NCHW"), "model.int8.tflite": FileInput(layout="NHWC", dtype="int8")}
    found = Preprocess(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1), files=files).of_file("model.int8.tflite")
    assert dict(found.files) == {"model.int8.tflite": FileInput(layout="NHWC", dtype="int8")}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "preprocess/9", "format: Input should be 'preprocess/1'"),
        ("size", [0, 32], "size.0: Input should be greater than or equal to 1"),
        ("size", [32, 8193], "size.1: Input should be less than or equal to 8192"),
        ("size", [32.0, 32], "size.0: Input should be a valid integer"),
        ("size", [32], "size.1: Field required"),
        ("mean", [0, 0, float("nan")], "mean.2: Input should be"),
        ("mean", [0, True, 0], "mean.1: Input should be a valid number"),
        ("std", [1, 0, 1], "std.1: Input should be greater than"),
        ("std", [1, -1, 1], "std.1: Input should be greater than"),
        ("std", [1, 1, float("inf")], "std.2: Input should be"),
        ("channels", "BGR", "channels: Input should be 'RGB'"),
        ("resize", "squash", "resize: Input should be"),
        ("files", {}, "files: "),
        ("files", {"../model.onnx": {"layout": "NCHW"}}, "files"),
        ("files", {"..": {"layout": "NCHW"}}, "files"),
        ("files", {"m.onnx": {"layout": "HWCN"}}, "files.m.onnx.layout: Input should be 'NCHW' or 'NHWC'"),
        ("files", {"m.onnx": {"layout": "NCHW", "dtype": "int4"}}, "dtype: Input should be 'float32', 'int8' or 'uint"),
        ("more", 1, "more: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, field: str, value: object, message: str) -> None:
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps({**_OLD, field: value}))
    with pytest.raises(InputError) as error:
        Preprocess.load(path)
    assert f"preprocessing {path} is not valid: " in str(error.value) and message in str(error.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*_OLD, "other"]), _JSON, max_size=4))
def test_any_document_is_read_or_refused_in_one_sentence(tmp_path_factory: Any, changes: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-preprocess.json"
    path.write_text(json.dumps({**_OLD, **changes}))
    try:
        assert Preprocess.load(path).std > (0, 0, 0)
    except InputError as error:
        assert "\n" not in str(error)


def test_damaged_bytes_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    generator, path = random.Random(0), tmp_path / "preprocess.json"
    whole, refused = json.dumps(_OLD).encode(), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 5)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            Preprocess.load(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 200


def test_a_number_of_ten_thousand_digits_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps(_OLD).replace("32", "9" * 10_000))
    with pytest.raises(InputError, match=r"is damaged \(not valid JSON: .+\); correct it, or write it again$"):
        Preprocess.load(path)
