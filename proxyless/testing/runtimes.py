"""What every runtime must do: a file written directly computes what torch computes, in its own process or not."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from latency.devices import Job, LocalDevice
from latency.runtimes import Runtime
from latency.timing import time_files
from latency.writers.graph import Array, Graph, lower, random_weights
from proxyless.ops import COMPOSED, Activation, Elementary
from proxyless.space import LayerSpec
from proxyless.testing.networks import EVERY_OPERATOR, MOBILE, deployable, folded_weights, random_images

_PRINTS_NOTHING = """
import sys
from pathlib import Path
from latency.runtimes import find_runtime
from latency.writers.graph import lower, random_weights
from proxyless.space import LayerSpec
layer = LayerSpec("conv", (8, 8, 3), (8, 8, 8), kernel=3)
find_runtime(sys.argv[1]).writer_of("float32")(lower([layer], random_weights()), Path(sys.argv[2]))
"""


class RuntimeContract:
    """runtime: what is tested; skipped where it is not installed. threads: whether it may be told how many to use."""

    runtime: Runtime
    threads: bool = True

    @pytest.fixture(autouse=True)
    def _is_here(self) -> None:
        if not self.runtime.installed:
            pytest.skip(f"the package {self.runtime.package} is not installed")
        if self.runtime.delegates == ("cuda",) and not torch.cuda.is_available():
            pytest.skip("torch sees no CUDA device")

    @pytest.mark.parametrize("batch", [1, 3])
    def test_a_written_network_computes_what_torch_computes(self, batch: int, tmp_path: Path) -> None:
        if self.runtime.max_batch is not None and batch > self.runtime.max_batch:
            pytest.skip(f"{self.runtime.name} takes at most {self.runtime.max_batch} at a time")
        network = deployable(MOBILE)
        path = self.write(lower(MOBILE, folded_weights(network), batch), tmp_path)
        self.check_results(path, network, random_images(batch, 32))

    @pytest.mark.parametrize("act", [act for act in (*get_args(Elementary), *COMPOSED) if act != "none"])
    def test_every_activation_is_what_torch_computes(self, act: Activation, tmp_path: Path) -> None:
        layers = [
            LayerSpec("conv", (16, 16, 3), (8, 8, 8), kernel=3, stride=2, act=act),
            LayerSpec("mbconv", (8, 8, 8), (8, 8, 8), kernel=5, expand=3, residual=True, act=act),
            LayerSpec("mbconv", (8, 8, 8), (8, 8, 8), kernel=3, expand=1, residual=True, act=act),
            LayerSpec("classifier", (8, 8, 8), (1, 1, 4)),
        ]
        network = deployable(layers)
        self.check_results(self.write(lower(layers, folded_weights(network)), tmp_path), network, random_images(1, 16))

    def test_every_operator_is_what_torch_computes(self, tmp_path: Path) -> None:
        network = deployable(EVERY_OPERATOR)
        path = self.write(lower(EVERY_OPERATOR, folded_weights(network)), tmp_path)
        self.check_results(path, network, random_images(1, 16), 5e-5)

    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
    @pytest.mark.timing
    def test_as_many_threads_work_as_were_asked_for(self, tmp_path: Path) -> None:
        if not self.threads or "cuda" in self.runtime.delegates:
            pytest.skip(f"{self.runtime.name} has no threads to set")
        layer = LayerSpec("mbconv", (112, 112, 16), (112, 112, 16), kernel=3, expand=3, residual=True)
        path = self.write(lower([layer], random_weights()), tmp_path)
        tries = range(5)  # other work may keep a thread from its core
        assert any(self.share_of_this_thread(path, threads=2) < 0.8 for _ in tries)
        assert any(self.share_of_this_thread(path, threads=1) > 0.95 for _ in tries)

    def test_every_layer_of_a_network_can_be_timed_in_its_own_process(self, tmp_path: Path) -> None:
        items = {}
        for index, layer in enumerate(MOBILE):
            items[str(layer)] = tmp_path / f"{index}{self.runtime.suffix}"
            self.runtime.writer_of("float32")(lower([layer], random_weights()), items[str(layer)])
        job = Job(
            self.runtime.runner, items, (), delegate=self.runtime.delegates[0], warmup_ms=0, visit_ms=0, min_runs=2
        )
        measured, environment = time_files(LocalDevice(), job, rounds=2)
        assert set(measured) == set(items)
        assert all(m.ms > 0 and m.count == 4 for m in measured.values())
        assert re.match(r"[\w-]+ \d", str(environment["runtime"]))

    def test_writing_prints_nothing_among_the_results(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", _PRINTS_NOTHING, self.runtime.name, str(tmp_path / "model")]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        assert ended.stdout == "" and (tmp_path / "model").stat().st_size > 0

    def write(self, graph: Graph, folder: Path) -> Path:
        path = folder / f"network{self.runtime.suffix}"
        self.runtime.writer_of("float32")(graph, path)
        return path

    def load(self, path: Path, batch: int, delegate: str, threads: int = 1) -> Any:
        spec = importlib.util.spec_from_file_location("runner", self.runtime.runner)
        assert spec is not None and spec.loader is not None
        runner = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(runner)
        return runner.load(str(path), threads, delegate, batch)

    def check_results(self, path: Path, network: nn.Module, images: Array, largest_error: float = 1e-5) -> None:
        """largest_error: relative to the largest result; rounding grows with the layers."""
        with torch.no_grad():
            expected = network(torch.from_numpy(images)).numpy()
        for delegate in self.runtime.delegates:
            run, feed, result, shape, _ = self.load(path, len(images), delegate)
            feed(np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if shape[3] == 3 else images)
            run()
            tolerance = 1e-3 if delegate == "cuda" else largest_error
            np.testing.assert_allclose(result(), expected, atol=tolerance * np.abs(expected).max())

    def share_of_this_thread(self, path: Path, threads: int) -> float:
        """How much of the processor time of 0.2 s of work is spent in the thread that calls."""
        run, feed, _, shape, _ = self.load(path, 1, self.runtime.delegates[0], threads)
        feed(np.ones(shape, np.float32))
        run()
        end, process, thread = time.perf_counter() + 0.2, time.process_time(), time.thread_time()
        while time.perf_counter() < end:
            run()
        return (time.thread_time() - thread) / (time.process_time() - process)
