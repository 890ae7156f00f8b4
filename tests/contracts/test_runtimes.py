"""What every runtime must do: a file written directly computes what torch computes, in its own process or not."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latency.devices import Job, LocalDevice
from latency.runtimes import RUNTIMES, Runtime
from latency.timing import time_files
from latency.writers.graph import lower, random_weights
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights, random_images

_ALL = [
    pytest.param(
        runtime,
        id=runtime.name,
        marks=pytest.mark.skipif(
            runtime.name == "torch-cuda" and not torch.cuda.is_available(), reason="torch sees no CUDA device"
        ),
    )
    for runtime in RUNTIMES.values()
]


def _load(runtime: Runtime, path: Path, batch: int, delegate: str) -> Any:
    spec = importlib.util.spec_from_file_location("runner", runtime.runner)
    assert spec is not None and spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    return runner.load(str(path), 1, delegate, batch)


@pytest.mark.parametrize("runtime", _ALL)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_written_network_computes_what_torch_computes(runtime: Runtime, batch: int, tmp_path: Path) -> None:
    found = architecture(MIXED_OPS)
    network = deployable(found.layers)
    path = tmp_path / f"network{runtime.suffix}"
    runtime.writer()(lower(found.layers, folded_weights(network), batch), path)
    images = random_images(batch, 32)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    for delegate in runtime.delegates:
        run, feed, result, shape, _ = _load(runtime, path, batch, delegate)
        feed(np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if shape[3] == 3 else images)
        run()
        tolerance = 1e-3 if delegate == "cuda" else 1e-5
        np.testing.assert_allclose(result(), expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("runtime", _ALL)
def test_every_layer_of_a_space_can_be_timed_in_its_own_process(runtime: Runtime, tmp_path: Path) -> None:
    layers = architecture(MIXED_OPS).layers
    items = {}
    for index, layer in enumerate(layers):
        items[str(layer)] = tmp_path / f"{index}{runtime.suffix}"
        runtime.writer()(lower([layer], random_weights()), items[str(layer)])
    job = Job(runtime.runner, items, (), delegate=runtime.delegates[0], warmup_ms=0, visit_ms=0, min_runs=2)
    measured, environment = time_files(LocalDevice(), job, rounds=2)
    assert set(measured) == set(items)
    assert all(m.ms > 0 and m.count == 4 for m in measured.values())
    assert str(environment["runtime"]).split()[0].startswith(("ai-edge", "tflite", "onnxruntime", "torch"))
