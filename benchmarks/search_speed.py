"""Images per second of the search against the paper's loop written plainly (benchmarks/paper_loop.py).

python benchmarks/search_speed.py --batch 256 --resolution 224      # and --batch 1024 --resolution 32, on a GPU
taskset -c 1 python benchmarks/search_speed.py --device cpu --batch 32 --resolution 32 --cycles 5

A cycle is five weight steps and one architecture step that compares all candidates, as on ImageNet; cycles of both
kinds alternate, after one of each that is not counted. Images are random and on the device: reading data is not
measured. Prints medians over the cycles; the hours of the ImageNet schedule are calculated from them.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from paper_loop import PaperLoop
from proxyless.data import ImageData, Split, make_data
from proxyless.data.batches import Batch
from proxyless.execution import Choice
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.space import Space, build_space
from proxyless.space.bounds import macs_bound

_WEIGHT_STEPS = 5
_SEARCH_EPOCHS = 2000
"""None is run; a long search tries every way to compute its steps, too long a one compiles blocks as well."""
_TRAIN_IMAGES, _WARMUP_EPOCHS, _EPOCHS = 1_281_167 - 50_000, 40, 120

Cycle = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mobile-fixed")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    search = make_search(arguments)
    device = search.fabric.device
    steps = {"search": search_steps(search), "paper": paper_steps(search.problem.space, arguments.batch, device)}
    found = measure(steps, arguments.cycles, device)
    print(json.dumps({**report(arguments, device, found), "execution": str(search.execution)}))


def make_search(arguments: argparse.Namespace, choice: Choice | None = None) -> Search:
    """A search as on ImageNet; choice: how its steps are computed, measured where it is left out."""
    space = build_space(arguments.space, {"resolution": arguments.resolution, "num_classes": 10})
    settings = SearchSettings.make(
        "benchmark",
        gates="all",
        batch_size=arguments.batch,
        device=arguments.device,
        precision=arguments.precision,
        compile=arguments.compile,
        warmup_epochs=0,
        epochs=_SEARCH_EPOCHS,
    )
    bound = macs_bound(space, 0.5 * (macs_bound(space, 1e12).min_cost + max_cost(space)))
    return Search(Problem(space, random_data(arguments.batch, arguments.resolution), (bound,)), settings, choice)


def search_steps(search: Search) -> tuple[Cycle, Cycle]:
    """A weight step and an architecture step, on one batch."""
    images, labels = random_batch(search.problem.space, search.settings.batch_size, search.fabric.device)
    batch = (images.contiguous(memory_format=torch.channels_last), labels)
    generator = torch.Generator().manual_seed(0)

    def weight_step() -> None:
        with search.execution.flags():
            search._weight_step(batch, 0, generator)

    def architecture_step() -> None:
        with search.execution.flags():
            search._architecture_step(batch, batch, 0, generator)

    return weight_step, architecture_step


def paper_steps(space: Space, batch: int, device: torch.device) -> tuple[Cycle, Cycle]:
    """Those of the paper's loop, with PyTorch's own settings."""
    paper, (images, labels) = PaperLoop(space, device), random_batch(space, batch, device)
    return lambda: paper.weight_step(images, labels), lambda: paper.architecture_step(images, labels)


def random_batch(space: Space, batch: int, device: torch.device) -> Batch:
    images = torch.randn(batch, 3, space.resolution, space.resolution, device=device)
    return images, torch.arange(batch, device=device) % 10


def max_cost(space: Space) -> float:
    return macs_bound(space, 1e12).max_cost


def random_data(batch: int, resolution: int) -> ImageData:
    """Enough for one batch of both halves; the steps get their own images."""
    labels = torch.arange(max(40, 4 * batch)) % 10
    split = Split(torch.randint(0, 256, (len(labels), 3, resolution, resolution), dtype=torch.uint8), labels)
    return make_data("synthetic:speed", split, split.take(range(20)), [str(i) for i in range(10)], "none")


def measure(steps: dict[str, tuple[Cycle, Cycle]], cycles: int, device: torch.device) -> dict[str, dict[str, Any]]:
    """Seconds of the weight steps and of the architecture step of every cycle, and peak memory in bytes."""
    found: dict[str, dict[str, Any]] = {name: {"weight": [], "architecture": [], "peak": 0} for name in steps}
    for number in range(cycles + 1):
        for name, (weight_step, architecture_step) in steps.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            weight_s = seconds(weight_step, device, _WEIGHT_STEPS)
            architecture_s = seconds(architecture_step, device, 1)
            if number > 0:
                found[name]["weight"].append(weight_s / _WEIGHT_STEPS)
                found[name]["architecture"].append(architecture_s)
            if device.type == "cuda":
                found[name]["peak"] = max(found[name]["peak"], torch.cuda.max_memory_allocated())
    return found


def seconds(run: Cycle, device: torch.device, times: int) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def report(arguments: argparse.Namespace, device: torch.device, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {
        **vars(arguments),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"cpu ({platform.machine()})",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    figures = {name: speeds(times, arguments.batch) for name, times in found.items()}
    ratio = figures["search"]["images_per_s"] / figures["paper"]["images_per_s"]
    return {**result, **figures, "ratio": round(ratio, 3)}


def speeds(times: dict[str, Any], batch: int) -> dict[str, Any]:
    """Medians of what `measure` found for one of both."""
    weight_s, architecture_s = (float(np.median(times[kind])) for kind in ("weight", "architecture"))
    cycle_s = _WEIGHT_STEPS * weight_s + architecture_s
    return {
        "weight_step_ms": round(1e3 * weight_s, 1),
        "architecture_step_ms": round(1e3 * architecture_s, 1),
        "images_per_s": round((_WEIGHT_STEPS + 1) * batch / cycle_s, 1),
        "peak_memory_bytes": times["peak"] or None,
        "imagenet_hours_calculated": round(imagenet_hours(weight_s, architecture_s, batch), 1),
    }


def imagenet_hours(weight_s: float, architecture_s: float, batch: int) -> float:
    """Of 40 epochs of weight steps and 120 with an architecture step after every fifth, without reading data."""
    steps = _TRAIN_IMAGES // batch
    total_s = (_WARMUP_EPOCHS + _EPOCHS) * steps * weight_s + _EPOCHS * steps / _WEIGHT_STEPS * architecture_s
    return total_s / 3600


if __name__ == "__main__":
    main()
