"""Our depthwise convolution against PyTorch's in double precision; in Triton's interpreter, where there is no GPU."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from proxyless.nn.depthwise import DepthwiseConv, set_depthwise

_ROOT = Path(__file__).parents[2]
_CASES = [(kernel, stride, torch.float32) for kernel in (3, 5, 7) for stride in (1, 2)]
_CASES += [(3, 2, torch.float16), (5, 1, torch.bfloat16)]
_CASES += [(kernel, stride, torch.float32) for stride in (1, 2) for kernel in (7, 3, 5)]
_SHAPES = [(1, 70, 7, 9), (2, 72, 4, 8), (3, 8, 2, 3), (2, 3, 1, 1), (1, 66, 5, 6)]
"""More channels than one program has, and not a multiple of what is loaded at once; fewer rows than it computes."""
_TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def check_all(device: str) -> None:
    """Every kernel, stride and type; run by itself, with Triton's interpreter on a CPU."""
    from proxyless.nn.depthwise_triton import depthwise

    generator = torch.Generator().manual_seed(0)
    for (kernel, stride, dtype), shape in zip(_CASES, itertools.cycle(_SHAPES), strict=False):
        channels = shape[1]
        x = torch.randn(*shape, generator=generator).to(dtype)
        weight = torch.randn(channels, 1, kernel, kernel, generator=generator)
        ours = _with_gradients(lambda x, w: depthwise(x, w, stride), x.to(device), weight.to(device))  # noqa: B023
        theirs = partial(conv2d, stride=stride, padding=kernel // 2, groups=channels)
        exact = _with_gradients(theirs, x.double(), weight.double())
        assert ours[0].dtype == dtype and ours[0].is_contiguous(memory_format=torch.channels_last)
        for found, wanted in zip(ours, exact, strict=True):
            assert found.shape == wanted.shape
            error = (found.detach().to("cpu", torch.double) - wanted.detach()).abs().max() / wanted.detach().abs().max()
            assert float(error) < _TOLERANCE[dtype], (kernel, stride, shape, dtype, float(error))


def _with_gradients(function: Callable[..., Tensor], x: Tensor, weight: Tensor) -> list[Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    out = function(x, weight)
    direction = torch.arange(out.numel(), device=out.device, dtype=torch.float64).cos().reshape(out.shape).to(out.dtype)
    return [out, *torch.autograd.grad(out, [x, weight], direction)]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed; it comes with PyTorch for CUDA")
def test_forward_and_backward_are_pytorchs() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    interpreted = {"TRITON_INTERPRET": "1"} if device == "cpu" else {}
    code = f"from tests.nn.test_depthwise import check_all; check_all({device!r})"
    environment = {**os.environ, **interpreted}
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_on_a_cpu_it_is_pytorchs_with_its_names() -> None:
    conv = DepthwiseConv(6, 5, 2)
    set_depthwise(torch.nn.Sequential(conv), "triton")
    assert conv.kernels == "triton" and list(conv.state_dict()) == ["weight"]
    x = torch.randn(2, 6, 9, 9)
    torch.testing.assert_close(conv(x), conv2d(x, conv.weight, None, 2, 2, groups=6))
