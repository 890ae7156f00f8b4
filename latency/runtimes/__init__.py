"""The libraries that execute a model: one file each, and a line in `RUNTIMES`."""

from latency.runtimes.base import Runtime
from latency.runtimes.executorch import EXECUTORCH
from latency.runtimes.litert import LITERT
from latency.runtimes.mnn import MNN
from latency.runtimes.ncnn import NCNN
from latency.runtimes.onnxruntime import ONNXRUNTIME
from latency.runtimes.openvino import OPENVINO
from latency.runtimes.torch import TORCH, TORCH_CUDA
from proxyless.plugins import find_with_plugins, with_plugins

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime for runtime in (LITERT, ONNXRUNTIME, TORCH, TORCH_CUDA, NCNN, MNN, OPENVINO, EXECUTORCH)
}


def known_runtimes() -> dict[str, Runtime]:
    """Ours, and those of other packages."""
    return with_plugins("runtime", RUNTIMES)


def find_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        InputError: there is none.
    """
    return find_with_plugins("runtime", name, RUNTIMES)


__all__ = ["RUNTIMES", "Runtime", "find_runtime", "known_runtimes"]
