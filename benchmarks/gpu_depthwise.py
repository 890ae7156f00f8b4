"""Milliseconds of a depthwise convolution, forward and backward: PyTorch's in both memory formats, and ours.

python benchmarks/gpu_depthwise.py --batch 256

One JSON line per shape of `mobile` at 224 pixels and type: medians over `--repeats`, after two that are not counted.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from proxyless.nn.depthwise import DepthwiseConv, Kernels, kernels_here

_SHAPES = [(96, 112, 3, 2), (144, 56, 5, 1), (144, 56, 7, 2), (192, 28, 3, 1), (384, 14, 7, 1), (960, 7, 5, 1)]
"""Channels, side, kernel, stride."""
_WARM = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--shrink", type=int, default=1, help="divides the sides, for a trial on a CPU")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ways: list[tuple[torch.memory_format, Kernels]] = [
        (torch.contiguous_format, "torch"),
        (torch.channels_last, "torch"),
    ]
    if device.type == "cuda" and "triton" in kernels_here():
        ways.append((torch.channels_last, "triton"))
    for channels, full_side, kernel, stride in _SHAPES:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            side = max(kernel, full_side // arguments.shrink)
            found: dict[str, object] = {"channels": channels, "side": side, "kernel": kernel, "stride": stride}
            found |= {"batch": arguments.batch, "dtype": str(dtype).removeprefix("torch.")}
            x = torch.randn(arguments.batch, channels, side, side, device=device, dtype=dtype)
            for memory_format, kernels in ways:
                conv = DepthwiseConv(channels, kernel, stride).to(device, dtype)
                conv.kernels = kernels
                step = _step(conv, x.contiguous(memory_format=memory_format))
                found[f"{kernels}_{str(memory_format).removeprefix('torch.')}_ms"] = _milliseconds(
                    step, device, arguments.repeats
                )
            print(json.dumps(found), flush=True)


def _step(conv: DepthwiseConv, x: Tensor) -> Callable[[], None]:
    x.requires_grad_()
    direction = torch.ones_like(conv(x))
    return lambda: torch.autograd.backward(conv(x), direction)


def _milliseconds(step: Callable[[], None], device: torch.device, repeats: int) -> float:
    times = []
    for _ in range(_WARM + repeats):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(times[_WARM:]), 4)


if __name__ == "__main__":
    main()
