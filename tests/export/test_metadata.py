"""Metadata in model files: readable, without any effect on what the file computes and on where its weights lie."""

import json
import random
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.formats import FORMATS
from export.metadata import describe_entries, read_metadata, write_metadata
from export.preprocess import FileInput, Preprocess
from latency.writers.graph import lower, random_weights
from latency.writers.onnx import write_onnx
from latency.writers.tflite import write_tflite
from proxyless.errors import InputError
from proxyless.space import BudgetedTarget
from tests.helpers import MIXED_OPS, architecture, random_images

_ENTRIES = {"producer": "proxyless 1", "labels": '["Käse", "猫"]'}
_IMAGES = random_images(3, 32)


@pytest.fixture(params=["model.onnx", "model.tflite"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    graph = lower(architecture(MIXED_OPS).layers, random_weights(), batch=1)
    (write_onnx if path.suffix == ".onnx" else write_tflite)(graph, path)
    return path


def _logits(path: Path) -> np.ndarray:
    run = FORMATS[path.suffix[1:]].tools.load(path)
    return np.concatenate([run(image[None]) for image in _IMAGES])


def test_what_is_written_is_read_and_the_file_computes_the_same(model: Path) -> None:
    before = _logits(model)
    assert read_metadata(model) == {}
    write_metadata(model, _ENTRIES)
    assert read_metadata(model) == _ENTRIES
    np.testing.assert_array_equal(_logits(model), before)
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_entries_are_replaced_by_name_and_others_kept(model: Path) -> None:
    write_metadata(model, {"labels": "old", "mine": "kept"})
    write_metadata(model, {"labels": "new"})
    assert read_metadata(model) == {"labels": "new", "mine": "kept"}
    assert np.isfinite(_logits(model)).all()


def test_the_onnx_file_is_valid_and_its_graph_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(lower(architecture(MIXED_OPS).layers, random_weights(), batch=1), path)
    before = onnx.load(path)
    write_metadata(path, _ENTRIES)
    onnx.checker.check_model(str(path), full_check=True)
    after = onnx.load(path)
    assert after.graph == before.graph and after.opset_import == before.opset_import


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    write_tflite(lower(architecture(MIXED_OPS).layers, random_weights(), batch=1), path)
    return path


def _data_positions(content: bytes) -> list[int]:
    """Where the data of every buffer that has any begin in the file."""
    model = schema.Model.GetRootAs(content)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    tables = [buffer._tab for buffer in buffers if not buffer.DataIsNone()]
    return [int(table.Vector(table.Offset(4))) for table in tables]


def test_the_weights_of_a_tflite_file_move_together_by_a_multiple_of_16_bytes(tflite: Path) -> None:
    before = tflite.read_bytes()
    write_metadata(tflite, _ENTRIES)
    after = tflite.read_bytes()
    assert after[4:8] == b"TFL3" and before in after
    moved = len(after[: after.index(before)])
    assert moved % 16 == 0
    positions = _data_positions(after)
    assert positions[:-1] == [position + moved for position in _data_positions(before)] and positions[-1] % 16 == 0


def test_written_again_the_old_entry_is_gone_from_the_lists(tflite: Path) -> None:
    for number in range(3):
        write_metadata(tflite, {"labels": str(number)})
    model = schema.Model.GetRootAs(tflite.read_bytes())
    assert model.MetadataLength() == 1 and model.Metadata(0).Name() == b"proxyless"
    assert _logits(tflite).shape == (3, 10)


def test_metadata_of_others_and_signatures_stay(tflite: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf(tflite.read_bytes(), 0)
    buffer, entry, signature = schema.BufferT(), schema.MetadataT(), schema.SignatureDefT()
    buffer.data = np.frombuffer(b"1.14.0", np.uint8)
    entry.name, entry.buffer = "min_runtime_version", len(model.buffers)
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [], []
    model.buffers.append(buffer)
    model.metadata, model.signatureDefs = [entry], [signature]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    tflite.write_bytes(builder.Output())
    write_metadata(tflite, _ENTRIES)
    found = schema.ModelT.InitFromPackedBuf(tflite.read_bytes(), 0)
    contents = {entry.name: found.buffers[entry.buffer].data.tobytes() for entry in found.metadata}
    assert contents[b"min_runtime_version"] == b"1.14.0" and json.loads(contents[b"proxyless"]) == _ENTRIES
    assert found.version == model.version and found.description == model.description
    assert list(Interpreter(str(tflite)).get_signature_list()) == ["serving_default"]


def test_xnnpack_takes_the_same_part_of_the_network(tflite: Path) -> None:
    def operators() -> list[str]:
        interpreter = Interpreter(str(tflite), num_threads=1)
        interpreter.allocate_tensors()
        return [details["op_name"] for details in interpreter._get_ops_details()]

    before = operators()
    assert "DELEGATE" in before
    write_metadata(tflite, _ENTRIES)
    assert operators() == before


def _with_weights_behind(path: Path) -> None:
    """Move the largest buffer behind the flatbuffer, as quantizers of large models do."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    largest = max((buffer for buffer in model.buffers if buffer.data is not None), key=lambda buffer: len(buffer.data))
    weights, largest.data, largest.offset = largest.data.tobytes(), None, 2
    largest.size = len(weights)
    for _ in range(2):  # the second time, the length of the flatbuffer is known
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        packed = bytes(builder.Output())
        largest.offset = len(packed) + -len(packed) % 16
    path.write_bytes(packed.ljust(largest.offset, b"\0") + weights)


def test_weights_behind_the_flatbuffer_are_found_where_they_then_are(tflite: Path) -> None:
    before = _logits(tflite)
    _with_weights_behind(tflite)
    np.testing.assert_array_equal(_logits(tflite), before)
    write_metadata(tflite, _ENTRIES)
    write_metadata(tflite, {"labels": "[]"})
    assert read_metadata(tflite) == {**_ENTRIES, "labels": "[]"}
    np.testing.assert_array_equal(_logits(tflite), before)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_damaged_files_are_read_or_refused_in_one_sentence(suffix: str, tmp_path: Path) -> None:
    path, generator = tmp_path / f"model{suffix}", random.Random(0)
    graph = lower(architecture(MIXED_OPS).layers, random_weights(), batch=1)
    (write_onnx if suffix == ".onnx" else write_tflite)(graph, path)
    write_metadata(path, _ENTRIES)
    whole, refused = path.read_bytes(), 0
    for _ in range(200):
        damaged = bytearray(whole[: generator.randint(0, 1500)] if generator.random() < 0.5 else whole)
        for _ in range(generator.randint(1, 8)):
            if damaged:
                damaged[generator.randrange(min(len(damaged), 1000))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            write_metadata(path, _ENTRIES)
            read_metadata(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"hello", "is not a complete ONNX model"),
        ("model.tflite", b"PK\x03\x04 a zip file", "is not a TFLite model, whatever its name says"),
        ("model.tflite", b"", "is not a TFLite model"),
        ("model.h5", b"", "has an unknown suffix; give a file ending in .onnx or .tflite"),
    ],
)
def test_other_files_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for use in (read_metadata, lambda path: write_metadata(path, _ENTRIES)):
        with pytest.raises(InputError, match=message):
            use(tmp_path / name)


def test_the_entries_tell_what_a_program_needs_and_no_names_of_machines() -> None:
    files = {"model.onnx": FileInput(layout="NCHW"), "model.tflite": FileInput(layout="NHWC")}
    preprocess = Preprocess(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1), files=files)
    target = BudgetedTarget(
        device="ssh://me@home?python=/home/me/py",
        runtime="litert",
        threads=2,
        batch=1,
        delegate="xnnpack",
        budget_ms=3,
        predicted_ms=2.5,
    )
    entries = describe_entries(["Käse", "dog"], preprocess, "model.tflite", target)
    assert entries["producer"].startswith("proxyless ") and json.loads(entries["labels"]) == ["Käse", "dog"]
    assert Preprocess.model_validate(json.loads(entries["preprocessing"])) == preprocess.of_file("model.tflite")
    assert json.loads(entries["budget"]) == {"budget_ms": 3, "predicted_ms": 2.5}
    assert json.loads(entries["device"]) == {
        "device": "ssh",
        "runtime": "litert",
        "threads": 2,
        "batch": 1,
        "delegate": "xnnpack",
        "dtype": "float32",
    }
    assert "home" not in " ".join(entries.values())
