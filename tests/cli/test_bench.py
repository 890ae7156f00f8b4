"""`proxyless bench` on files of any maker: what is fed, how turns are taken, memory, and files that cannot be run."""

import json
import os
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from latency.devices import Job, LocalDevice
from latency.devices.base import OnEvent
from latency.foreign import say_signatures, self_contained
from latency.measurement import Measurement
from latency.runtimes import RUNTIMES
from latency.settings import BenchSettings
from proxyless.cli.main import app
from proxyless.errors import InputError
from proxyless.workflow.bench import PORTIONS, BenchResult, bench

_IMAGE = ("image", TensorProto.FLOAT, ["n", 3, "height", 8])


def _operator(path: Path, name: str, constant: np.ndarray, kind: int) -> None:
    """A model of one operator on its input of 8 and a constant."""
    order = ["weight", "x"] if name == "Gather" else ["x", "weight"]
    domain = "someone" if name == "Magic" else ""
    node = helper.make_node(name, order, ["y"], domain=domain)
    x, y = (helper.make_tensor_value_info("x", kind, ["n", 8]), helper.make_tensor_value_info("y", 1, None))
    graph = helper.make_graph([node], "graph", [x], [y], [numpy_helper.from_array(constant, "weight")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("someone", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def _onnx(
    path: Path,
    inputs: Sequence[tuple[str, int, Sequence[Any] | None]],
    external: str | None = None,
    opset: int = 17,
    ir_version: int = 8,
) -> Path:
    """A model that computes the shape of each of its inputs, and has a weight. external: the file of the weight."""
    nodes = [helper.make_node("Identity", ["weight"], ["same"])]
    nodes += [helper.make_node("Shape", [name], [f"{name}_shape"]) for name, _, _ in inputs]
    outputs = [helper.make_tensor_value_info(node.output[0], TensorProto.INT64, None) for node in nodes[1:]]
    outputs += [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)]
    entries = [helper.make_tensor_value_info(*entry) for entry in inputs]
    weight = numpy_helper.from_array(np.ones(4, np.float32), "weight")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=external)
    graph = helper.make_graph(nodes, "graph", entries, outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    path.write_bytes(model.SerializeToString())
    return path


def _tflite(path: Path, inputs: Sequence[tuple[str, int, list[int]]]) -> Path:
    """A model that adds two inputs; -1 is an open dimension."""
    tensors = []
    for name, kind, shape in [*inputs, ("sum", inputs[0][1], inputs[0][2])]:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name, kind, 0
        tensor.shape, tensor.shapeSignature = [max(1, size) for size in shape], shape
        tensors.append(tensor)
    code, operator, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptions, operator.builtinOptionsType = schema.AddOptionsT(), schema.BuiltinOptions.AddOptions
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, [operator], [0, 1], [2]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _fed(path: Path, shapes: dict[str, tuple[int, ...]] | None = None, batch: int = 1) -> dict[str, Any]:
    (result,) = bench([path], BenchSettings(rounds=1, shapes=shapes or {}, batch=batch))
    inputs: dict[str, Any] = result.document()["inputs"]
    return {name: (entry["dtype"], entry["shape"]) for name, entry in inputs.items()}


def test_onnx_inputs_get_their_own_shapes_and_types(tmp_path: Path) -> None:
    inputs: list[tuple[str, int, Sequence[Any]]] = [
        ("ids", TensorProto.INT64, ["n", 7]),
        ("mask", TensorProto.BOOL, ["n", 7]),
        ("scale", TensorProto.FLOAT16, []),
        ("pixels", TensorProto.UINT8, [2, 5, 5, 3]),
        _IMAGE,
    ]
    assert _fed(_onnx(tmp_path / "m.onnx", inputs), {"image": (1, 3, 9, 8)}, batch=3) == {
        "ids": ("int64", [3, 7]),
        "mask": ("bool", [3, 7]),
        "scale": ("float16", []),
        "pixels": ("uint8", [2, 5, 5, 3]),
        "image": ("float32", [1, 3, 9, 8]),
    }


def test_tflite_inputs_get_their_own_shapes_and_types(tmp_path: Path) -> None:
    whole, real = schema.TensorType.INT32, schema.TensorType.FLOAT32
    path = _tflite(tmp_path / "m.tflite", [("a", whole, [-1, 4]), ("b", whole, [4])])
    assert _fed(path, batch=3) == {"a": ("int32", [3, 4]), "b": ("int32", [4])}
    path = _tflite(tmp_path / "n.tflite", [("a", real, [1, -1]), ("b", real, [1])])
    assert _fed(path, {"a": (1, 6)}) == {"a": ("float32", [1, 6]), "b": ("float32", [1])}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("models")
    _onnx(tmp_path / "open.onnx", [_IMAGE])
    _onnx(tmp_path / "fixed.onnx", [("image", TensorProto.FLOAT, [2, 3, 8, 8])])
    _onnx(tmp_path / "text.onnx", [("text", TensorProto.STRING, [1])])
    _onnx(tmp_path / "outside.onnx", [("image", TensorProto.FLOAT, [1])], external="gone.bin")
    _onnx(tmp_path / "newer.onnx", [_IMAGE], ir_version=99)
    _onnx(tmp_path / "opset.onnx", [_IMAGE], opset=99)
    _onnx(tmp_path / "UPPER.ONNX", [("image", TensorProto.FLOAT, None)])
    _operator(tmp_path / "index.onnx", "Gather", np.ones((1, 4), np.float32), TensorProto.INT64)
    _operator(tmp_path / "custom.onnx", "Magic", np.ones(4, np.float32), TensorProto.FLOAT)
    _operator(tmp_path / "reshape.onnx", "Reshape", np.array([1, 8]), TensorProto.FLOAT)
    _tflite(tmp_path / "open.tflite", 2 * [("a", schema.TensorType.FLOAT32, [1, -1])])
    _tflite(tmp_path / "complex.tflite", 2 * [("a", schema.TensorType.COMPLEX64, [1, 2])])
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "fixed.onnx").read_bytes()[:-20])
    (tmp_path / "cut.tflite").write_bytes((tmp_path / "open.tflite").read_bytes()[:100])
    (tmp_path / "words.tflite").write_text("hello")
    with zipfile.ZipFile(tmp_path / "bomb.tflite", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model", bytes(10**8))
    (tmp_path / "bomb.onnx").write_bytes((tmp_path / "bomb.tflite").read_bytes())
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(2**40)
    return tmp_path


@pytest.fixture
def work(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(files)
    return files


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("open.onnx", "'image' is ['n', 3, 'height', 8]; give its sizes: --shape image=1,3,SIZE,8"),
        ("open.onnx --shape image=1,4,8,8", "which cannot be [1, 4, 8, 8]; give another --shape"),
        ("open.tflite", "'a' is [1, -1]; give its sizes: --shape a=1,SIZE"),
        ("fixed.onnx --batch 3", "no input can take a batch of 3; leave --batch out"),
        ("fixed.onnx --shape images=1,3,8,8", "no file has an input 'images' to give a shape to; the inputs are image"),
        (
            "fixed.onnx --shape 1,3",
            "--shape needs an input's name and its sizes, such as images=1,3,224,224, got '1,3'",
        ),
        ("fixed.onnx --threads 1,two", "--threads needs whole numbers such as 1,2,4, got '1,two'"),
        (
            "fixed.onnx --threads 100000",
            f"100000 threads are more than the {len(os.sched_getaffinity(0))} usable cores of local; ask for at",
        ),
        ("text.onnx", "'text' is a tensor(string); only numbers can be made up for it"),
        ("complex.tflite", "'a' is of type complex64; only numbers can be made up for it"),
        ("outside.onnx", "gone.bin"),
        ("newer.onnx", "it is of IR version 99, and this version takes "),
        ("opset.onnx", "it is of opset 99, and this version takes "),
        ("UPPER.ONNX", "its input 'image' has; give its shape, such as --shape image=1,3,224,224"),
        ("index.onnx", "it cannot be timed with made-up inputs"),
        ("custom.onnx", "it needs operators that this runtime does not have"),
        ("reshape.onnx --batch 4", "it has a fixed number of images inside and cannot take a batch of 4"),
        ("cut.onnx", "cannot be executed by onnxruntime"),
        ("cut.tflite", "cannot be executed by litert: The model is not a valid Flatbuffer"),
        ("words.tflite", "cannot be executed by litert: The model is not a valid Flatbuffer"),
        ("bomb.tflite", "cannot be executed by litert: The model is not a valid Flatbuffer"),
        ("bomb.onnx", "check that the file is a complete model"),
        ("large.onnx", "the file has 1024.0 GiB, more than is free; free some memory"),
    ],
)
def test_what_cannot_be_run_gets_one_sentence(work: Path, arguments: str, message: str) -> None:
    result = CliRunner().invoke(app, ["bench", *arguments.split()])
    assert result.exit_code == 2 and result.stdout == ""
    assert message in result.stderr and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_an_input_without_a_shape_gets_the_one_that_is_given(work: Path) -> None:
    assert _fed(work / "UPPER.ONNX", {"image": (1, 3, 5, 5)}) == {"image": ("float32", [1, 3, 5, 5])}


def test_weights_in_files_of_their_own_are_put_into_one_for_a_device(tmp_path: Path) -> None:
    plain, apart, sent = tmp_path / "plain.onnx", tmp_path / "apart.onnx", tmp_path / "sent"
    sent.mkdir()
    _onnx(plain, [_IMAGE])
    onnx.save(onnx.load(str(plain)), str(apart), save_as_external_data=True, location="weights", size_threshold=0)
    assert self_contained(plain, sent) == plain
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be put into one file for a device"):
        self_contained(apart, sent)
    (tmp_path / "elsewhere").rename(tmp_path / "weights")
    whole = self_contained(apart, sent)
    (weight,) = onnx.load(str(whole), load_external_data=False).graph.initializer
    assert whole.parent == sent and numpy_helper.to_array(weight).tolist() == [1, 1, 1, 1]


def test_several_signatures_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="latency.foreign")
    path = _tflite(tmp_path / "m.tflite", 2 * [("a", schema.TensorType.FLOAT32, [1, 2])])
    say_signatures(path)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    model.signatureDefs = []
    for name in (b"encode", b"decode"):
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name, 0
        model.signatureDefs.append(signature)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    assert not caplog.records
    say_signatures(path)
    assert "has 2 signatures (encode, decode), of which the first graph is timed" in caplog.text


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"the timing program crashed \(SIGSEGV\); check that the file"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed, which mostly means that memory ran out; free some"),
        ("[bytes(2**28) for _ in range(2**20)]", "it ran out of memory; free some memory or take a smaller one"),
    ],
)
def test_a_crash_of_the_runtime_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str, message: str
) -> None:
    (tmp_path / "m.onnx").write_text("model")
    _use_runner(tmp_path, monkeypatch, f"import os, signal\ndef load_any(*_): {load}\n")
    with pytest.raises(InputError, match=message):
        bench([tmp_path / "m.onnx"], BenchSettings(rounds=1))


def _use_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (tmp_path / "runner.py").write_text("def version(): return 'fake 1'\n" + code)
    monkeypatch.setitem(RUNTIMES, "onnxruntime", replace(RUNTIMES["onnxruntime"], runner=tmp_path / "runner.py"))


def test_the_peak_of_memory_is_that_of_loading_and_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import numpy as np
def load_any(path, *_):
    size = int(open(path).read())
    kept = np.ones(size << 20, np.uint8)
    np.ones(2 * size << 20, np.uint8)  # given back at once
    return (lambda: kept[0]), (lambda arrays: None), None, {}
"""
    _use_runner(tmp_path, monkeypatch, code)
    for name, size in (("small", 20), ("large", 50)):
        (tmp_path / f"{name}.onnx").write_text(str(size))
    found = bench([tmp_path / "small.onnx", tmp_path / "large.onnx"], BenchSettings(rounds=1))
    peaks = [result.document()["peak_memory_bytes"] / 2**20 for result in found]
    np.testing.assert_allclose(peaks, [60, 150], atol=3)


class _Recorder:
    """A device on which every run takes as many milliseconds as there are threads."""

    name = "local"

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, job: Job, on_event: OnEvent) -> None:
        self.jobs.append(job)
        on_event({"event": "ready", "runtime": "fake 1", "cpus": 8})
        for number, item in job.schedule:
            on_event({"event": "sample", "id": item, "round": number, "ms": [float(job.threads)]})


def test_processes_take_turns_and_every_file_is_visited_in_every_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = _Recorder()
    monkeypatch.setattr(sys.modules["proxyless.workflow.bench"], "find_device", lambda name: device)
    for name in ("a.onnx", "b.onnx", "c.tflite"):
        (tmp_path / name).write_text("model")
    settings = BenchSettings(rounds=10, threads=(1, 2))
    found = bench([tmp_path / "c.tflite", tmp_path / "a.onnx", tmp_path / "b.onnx"], settings)
    assert [(Path(entry.file).name, entry.threads) for entry in found] == [
        (name, threads) for name in ("c.tflite", "a.onnx", "b.onnx") for threads in (1, 2)
    ]
    assert all(entry.measurement.rounds == 10 * ((float(entry.threads),),) for entry in found)
    alone, turns = device.jobs[:6], device.jobs[6:]
    assert all(len(job.items) == len(job.schedule) == 1 and job.memory for job in alone)
    assert len(turns) == PORTIONS * 4 and not any(job.memory for job in turns)
    for first in range(0, len(turns), 4):  # within a portion, each once
        assert len({(job.runner, job.threads) for job in turns[first : first + 4]}) == 4
        rounds = [{number for number, _ in job.schedule} for job in turns[first : first + 4]]
        assert all(part == rounds[0] for part in rounds)


def test_files_that_share_a_process_are_not_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = _Recorder()
    monkeypatch.setattr(sys.modules["proxyless.workflow.bench"], "find_device", lambda name: device)
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in paths:
        path.write_text("model")
    bench(paths, BenchSettings(rounds=10))
    assert [len(job.schedule) for job in device.jobs] == [1, 1, 20]


def test_percentiles_are_over_all_runs() -> None:
    rounds = tuple((float(10 * number + 1), float(10 * number + 2)) for number in range(50))
    document = BenchResult("m.onnx", "fake 1", 1, Measurement(rounds), None, {}).document()
    assert (document["min_ms"], document["n"]) == (1.0, 100)
    ordered = sorted(ms for samples in rounds for ms in samples)
    for share in (50, 90, 99):
        assert ordered[share - 1] <= document[f"p{share}_ms"] <= ordered[share]


def test_json_has_a_row_for_every_file_and_number_of_threads(work: Path) -> None:
    arguments = ["bench", "fixed.onnx", "open.tflite", "--shape", "a=1,3", "--threads", "1", "--rounds", "2", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["file"] for row in rows] == ["fixed.onnx", "open.tflite"]
    assert all(0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] for row in rows)
    assert all(2**18 < row["peak_memory_bytes"] < 2**28 for row in rows)


def test_a_device_tells_memory_only_when_asked(tmp_path: Path) -> None:
    path = _onnx(tmp_path / "m.onnx", [("image", TensorProto.FLOAT, [1, 3])])
    for memory in (False, True):
        events: list[str] = []
        job = Job(RUNTIMES["onnxruntime"].runner, {"m": path}, ((0, "m"),), shapes={}, memory=memory)
        LocalDevice().run(job, lambda event, events=events: events.append(event["event"]))  # type: ignore[misc]
        assert events == ["ready", "loaded", "sample", *(["memory"] if memory else [])]
