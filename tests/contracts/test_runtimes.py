"""What every runtime must do: a file written directly computes what torch computes, in its own process or not."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from latency.devices import Job, LocalDevice
from latency.runtimes import RUNTIMES, Runtime
from latency.timing import time_files
from latency.writers.graph import Array, Graph, lower, random_weights
from proxyless.ops import Activation
from proxyless.space import LayerSpec
from tests.helpers import EVERY_OPERATOR, MIXED_OPS, architecture, deployable, folded_weights, random_images

_ALL = [
    pytest.param(
        runtime,
        id=runtime.name,
        marks=[
            pytest.mark.skipif(not runtime.installed, reason=f"the package {runtime.package} is not installed"),
            pytest.mark.skipif(
                runtime.name == "torch-cuda" and not torch.cuda.is_available(), reason="torch sees no CUDA device"
            ),
        ],
    )
    for runtime in RUNTIMES.values()
]


def _load(runtime: Runtime, path: Path, batch: int, delegate: str, threads: int = 1) -> Any:
    spec = importlib.util.spec_from_file_location("runner", runtime.runner)
    assert spec is not None and spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    return runner.load(str(path), threads, delegate, batch)


@pytest.mark.parametrize("runtime", _ALL)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_written_network_computes_what_torch_computes(runtime: Runtime, batch: int, tmp_path: Path) -> None:
    if runtime.max_batch is not None and batch > runtime.max_batch:
        pytest.skip(f"{runtime.name} takes at most {runtime.max_batch} at a time")
    found = architecture(MIXED_OPS)
    network = deployable(found.layers)
    path = _write(runtime, lower(found.layers, folded_weights(network), batch), tmp_path)
    _check_results(runtime, path, network, random_images(batch, 32))


@pytest.mark.parametrize("runtime", _ALL)
@pytest.mark.parametrize("act", ["relu", "h_swish"])
def test_every_activation_is_what_torch_computes(runtime: Runtime, act: Activation, tmp_path: Path) -> None:
    layers = [
        LayerSpec("conv", (16, 16, 3), (8, 8, 8), kernel=3, stride=2, act=act),
        LayerSpec("mbconv", (8, 8, 8), (8, 8, 8), kernel=5, expand=3, residual=True, act=act),
        LayerSpec("mbconv", (8, 8, 8), (8, 8, 8), kernel=3, expand=1, residual=True, act=act),
        LayerSpec("classifier", (8, 8, 8), (1, 1, 4)),
    ]
    network = deployable(layers)
    path = _write(runtime, lower(layers, folded_weights(network)), tmp_path)
    _check_results(runtime, path, network, random_images(1, 16))


@pytest.mark.parametrize("runtime", _ALL)
def test_every_operator_is_what_torch_computes(runtime: Runtime, tmp_path: Path) -> None:
    network = deployable(EVERY_OPERATOR)
    path = _write(runtime, lower(EVERY_OPERATOR, folded_weights(network)), tmp_path)
    _check_results(runtime, path, network, random_images(1, 16), 5e-5)


def _write(runtime: Runtime, graph: Graph, folder: Path) -> Path:
    path = folder / f"network{runtime.suffix}"
    runtime.writer_of("float32")(graph, path)
    return path


def _check_results(
    runtime: Runtime, path: Path, network: nn.Module, images: Array, largest_error: float = 1e-5
) -> None:
    """largest_error: relative to the largest result; rounding grows with the layers."""
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    for delegate in runtime.delegates:
        run, feed, result, shape, _ = _load(runtime, path, len(images), delegate)
        feed(np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if shape[3] == 3 else images)
        run()
        tolerance = 1e-3 if delegate == "cuda" else largest_error
        np.testing.assert_allclose(result(), expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("runtime", [case for case in _ALL if case.id != "torch-cuda"])
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.timing
def test_as_many_threads_work_as_were_asked_for(runtime: Runtime, tmp_path: Path) -> None:
    layer = LayerSpec("mbconv", (112, 112, 16), (112, 112, 16), kernel=3, expand=3, residual=True)
    path = _write(runtime, lower([layer], random_weights()), tmp_path)
    tries = range(5)  # other work may keep a thread from its core
    assert any(_share_of_this_thread(runtime, path, threads=2) < 0.8 for _ in tries)
    assert any(_share_of_this_thread(runtime, path, threads=1) > 0.95 for _ in tries)


def _share_of_this_thread(runtime: Runtime, path: Path, threads: int) -> float:
    """How much of the processor time of 0.2 s of work is spent in the thread that calls."""
    run, feed, _, shape, _ = _load(runtime, path, 1, runtime.delegates[0], threads)
    feed(np.ones(shape, np.float32))
    run()
    end, process, thread = time.perf_counter() + 0.2, time.process_time(), time.thread_time()
    while time.perf_counter() < end:
        run()
    return (time.thread_time() - thread) / (time.process_time() - process)


@pytest.mark.parametrize("runtime", _ALL)
def test_every_layer_of_a_space_can_be_timed_in_its_own_process(runtime: Runtime, tmp_path: Path) -> None:
    layers = architecture(MIXED_OPS).layers
    items = {}
    for index, layer in enumerate(layers):
        items[str(layer)] = tmp_path / f"{index}{runtime.suffix}"
        runtime.writer_of("float32")(lower([layer], random_weights()), items[str(layer)])
    job = Job(runtime.runner, items, (), delegate=runtime.delegates[0], warmup_ms=0, visit_ms=0, min_runs=2)
    measured, environment = time_files(LocalDevice(), job, rounds=2)
    assert set(measured) == set(items)
    assert all(m.ms > 0 and m.count == 4 for m in measured.values())
    assert re.match(
        r"(ai-edge-litert|tflite-runtime|onnxruntime|torch|ncnn|MNN|openvino|executorch) \d",
        str(environment["runtime"]),
    )


@pytest.mark.parametrize("runtime", _ALL)
def test_writing_prints_nothing_among_the_results(runtime: Runtime, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from latency.runtimes import RUNTIMES
from latency.writers.graph import lower, random_weights
from proxyless.space import LayerSpec
layer = LayerSpec("conv", (8, 8, 3), (8, 8, 8), kernel=3)
RUNTIMES[{runtime.name!r}].writer_of("float32")(lower([layer], random_weights()), Path({str(tmp_path / "model")!r}))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "" and (tmp_path / "model").stat().st_size > 0
