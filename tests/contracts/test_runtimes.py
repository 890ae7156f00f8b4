"""Every runtime of ours that is installed."""

from latency.runtimes import RUNTIMES
from proxyless.testing.runtimes import RuntimeContract


class TestLitert(RuntimeContract):
    runtime = RUNTIMES["litert"]


class TestOnnxruntime(RuntimeContract):
    runtime = RUNTIMES["onnxruntime"]


class TestTorch(RuntimeContract):
    runtime = RUNTIMES["torch"]


class TestTorchCuda(RuntimeContract):
    runtime = RUNTIMES["torch-cuda"]


class TestNcnn(RuntimeContract):
    runtime = RUNTIMES["ncnn"]


class TestMnn(RuntimeContract):
    runtime = RUNTIMES["mnn"]


class TestOpenvino(RuntimeContract):
    runtime = RUNTIMES["openvino"]


class TestExecutorch(RuntimeContract):
    runtime = RUNTIMES["executorch"]


def test_every_runtime_has_its_tests() -> None:
    assert [contract.runtime for contract in RuntimeContract.__subclasses__()] == list(RUNTIMES.values())
