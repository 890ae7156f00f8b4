"""Are the numbers of a GPU those of the CPU? One step of every way to compute it, and our kernels against PyTorch's.

python benchmarks/gpu_numbers.py
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.config import RecipeSettings
from proxyless.execution import Execution
from proxyless.nn import build_network
from proxyless.nn.depthwise import kernels_here
from proxyless.scaling import LossScale
from proxyless.search.config import SearchSettings
from proxyless.search.work import search_work
from proxyless.space import LayerSpec, build_space
from proxyless.tuning import candidates

_LARGEST = {"32-true": 1e-4, "tf32": 3e-2, "bf16-mixed": 0.2, "16-mixed": 0.05}
"""Relative error of the logits that is rounding still: 24, 11, 8 and 11 bits through 30 layers."""
_COSINE = 0.75
"""Of all gradients with the exact ones, at least: rounding moves inputs of rectifiers over their edges."""


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    work = search_work(build_space("tiny-fixed", {"resolution": 32, "num_classes": 10}), SearchSettings(), 1000)
    exact = _step(work.layers, Execution(), torch.device("cpu"))
    kernels = kernels_here() if device.type == "cuda" else ["torch"]
    precise = candidates(work, RecipeSettings(precision="32-true"), device.type, kernels)
    bad = []
    fast = candidates(work, RecipeSettings(), device.type, kernels)
    replayed = [execution.model_copy(update={"replayed": True}) for execution in fast if device.type == "cuda"]
    for execution in [*precise, *fast, *replayed]:
        found = _step(work.layers, execution, device)
        error = float((found.logits - exact.logits).norm() / exact.logits.norm())
        cosine = float(torch.cosine_similarity(found.gradient, exact.gradient, 0))
        print(json.dumps({"execution": str(execution), "logits_error": error, "gradient_cosine": cosine}), flush=True)
        if not (error < _LARGEST[execution.arithmetic] and cosine > _COSINE):
            bad.append(str(execution))
    if "triton" in kernels:
        from tests.nn.test_depthwise import check_all

        check_all("cuda")
        print(json.dumps({"depthwise_triton": "as PyTorch's, every kernel, stride and type"}))
    if bad:
        raise SystemExit(f"not the numbers of the CPU: {'; '.join(bad)}")


class _Found(NamedTuple):
    """Float64 on the CPU; the gradients of all weights in one row."""

    logits: Tensor
    gradient: Tensor


def _step(layers: Sequence[LayerSpec], execution: Execution, device: torch.device) -> _Found:
    """One forward and backward pass, of the same weights and images in every way."""
    torch.manual_seed(0)
    network = build_network(layers)
    images, labels = torch.randn(32, 3, 32, 32), torch.arange(32) % 10
    network = execution.prepare(network.to(device))
    scale = LossScale(execution.needs_scaling, device)
    with execution.flags():
        for _ in range(1 + execution.replayed):  # blocks are captured in the first step
            network.zero_grad()
            with execution.autocast():
                logits = network(execution.arrange(images.to(device)))
            torch.autograd.backward(cross_entropy(scale.outputs(logits.float()), labels.to(device)))
            scale.reduce(network.parameters())
    gradients = [p.grad.flatten().to("cpu", torch.double) for p in network.parameters() if p.grad is not None]
    return _Found(logits.detach().to("cpu", torch.double), torch.cat(gradients))


if __name__ == "__main__":
    main()
