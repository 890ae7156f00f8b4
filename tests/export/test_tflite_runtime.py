"""A device that has nothing but the old tflite-runtime and its old numpy, reached over ssh.

PROXYLESS_TFLITE_RUNTIME_PYTHON names the Python of such an environment; `.ci/run` makes one.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from latency.devices import Job, find_device
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.timing import time_files
from latency.writers.graph import lower
from proxyless.space import tiny_fixed
from tests.export.converted import IMAGES, Converted
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights, random_images
from tests.latency.sshd import Server, problem, running

_PYTHON = os.environ.get("PROXYLESS_TFLITE_RUNTIME_PYTHON", "")

pytestmark = [
    pytest.mark.skipif(problem() is not None, reason=f"{problem()}"),
    pytest.mark.skipif(not _PYTHON, reason="PROXYLESS_TFLITE_RUNTIME_PYTHON is not set; see .ci/run"),
]

_RUN = """
import importlib.util, sys
import numpy as np
spec = importlib.util.spec_from_file_location("runner", sys.argv[1])
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
run, feed, result, shape, dtype = runner.load(sys.argv[2], 1, "xnnpack", 1)
feed(np.load(sys.argv[3]))
run()
np.save(sys.argv[4], result())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("sshd")) as found:
        yield found


def _logits(model: Path, images: np.ndarray) -> np.ndarray:
    """What that environment computes; images (1, 3, H, W)."""
    source, target = model.with_name("images.npy"), model.with_name("logits.npy")
    np.save(source, np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    runner = str(find_runtime("litert").runner)
    subprocess.run([_PYTHON, "-c", _RUN, runner, str(model), str(source), str(target)], check=True)
    return np.asarray(np.load(target))


def test_a_profile_with_tflite_runtime(server: Server, tmp_path: Path) -> None:
    space = tiny_fixed(resolution=16, num_classes=3)
    settings = ProfileSettings(device=server.device(python=_PYTHON), calibrate=5, rounds=2)
    table = profile(space, tmp_path / "table.json", settings)
    assert table.runtime.version == "tflite-runtime 2.14.0" and table.device.model_dump()["numpy"] == "1.26.4"
    assert table.costs(space).constant_ms > 0


def test_a_written_network_computes_there_what_torch_computes(tmp_path: Path) -> None:
    found = architecture(MIXED_OPS)
    network, images = deployable(found.layers), random_images(1, 32)
    find_runtime("litert").writer_of("float32")(lower(found.layers, folded_weights(network)), tmp_path / "model.tflite")
    _assert_same(_logits(tmp_path / "model.tflite", images), network, images)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("litert_torch") is None, reason="litert-torch is not installed")
def test_an_exported_network_runs_there(server: Server, converted: Converted, tmp_path: Path) -> None:
    model = Path(shutil.copy(converted.folder / "model.tflite", tmp_path))
    _assert_same(_logits(model, IMAGES[:1]), converted.network, IMAGES[:1])
    job = Job(find_runtime("litert").runner, {"model": model}, (), delegate="xnnpack")
    measured, environment = time_files(find_device(server.device(python=_PYTHON)), job, rounds=2)
    assert measured["model"].ms > 0 and environment["runtime"] == "tflite-runtime 2.14.0"


def _assert_same(logits: np.ndarray, network: torch.nn.Module, images: np.ndarray) -> None:
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())
