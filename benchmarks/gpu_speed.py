"""Speed of the search in every way to compute its steps, against the paper's loop, and which one a search takes.

python benchmarks/gpu_speed.py --batch 256 --resolution 224
python benchmarks/gpu_speed.py --batch 1024 --resolution 32

As search_speed.py, one JSON line per way. All operations run once before anything is timed.
"""

import argparse
import gc
import json
from unittest.mock import patch

import torch

from proxyless.config import RecipeSettings
from proxyless.execution import Choice, Execution
from proxyless.nn import plain_choices
from proxyless.nn.depthwise import kernels_here
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.work import search_work
from proxyless.space import Space, build_space
from proxyless.tuning import candidates
from search_speed import Cycle, make_search, measure, paper_steps, search_steps, speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mobile-fixed")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--cycles", type=int, default=3)
    arguments = parser.parse_args()
    arguments.device, arguments.precision, arguments.compile = "auto", "auto", False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    space = build_space(arguments.space, {"resolution": arguments.resolution, "num_classes": 10})
    found = measure({"paper": paper_steps(space, arguments.batch, device)}, arguments.cycles, device)
    paper = speeds(found["paper"], arguments.batch)
    print(json.dumps({"paper": paper, **vars(arguments)}), flush=True)
    for execution in _executions(space, device):
        print(json.dumps(_line(arguments, execution, paper["images_per_s"])), flush=True)
    choice = make_search(arguments).choice
    print(json.dumps({"chosen": str(choice.chosen), "step_ms": choice.step_ms, "failed": choice.failed}), flush=True)


def _executions(space: Space, device: torch.device) -> list[Execution]:
    """What a search tries, and the same replayed from graphs."""
    on_gpu = device.type == "cuda"
    every = candidates(
        search_work(space, SearchSettings(), 1000),
        RecipeSettings(),
        device.type,
        kernels_here() if on_gpu else ["torch"],
    )
    first = [execution for execution in every if execution.memory_format == "channels_last"]
    again = [execution.model_copy(update={"replayed": True}) for execution in first if on_gpu]
    return [*first, *again, *(execution for execution in every if execution not in first)]


def _line(arguments: argparse.Namespace, execution: Execution, paper_images_per_s: float) -> dict[str, object]:
    gc.collect()
    try:
        search = make_search(arguments, Choice(chosen=execution))
        steps = search_steps(search)
        _run_every_operation(search, steps[0])
        figures = speeds(measure({"search": steps}, arguments.cycles, search.fabric.device)["search"], arguments.batch)
    except RuntimeError as error:  # a kernel or memory that is not there
        return {"execution": str(execution), "failed": str(error).splitlines()[0]}
    return {"execution": str(execution), **figures, "ratio": round(figures["images_per_s"] / paper_images_per_s, 3)}


def _run_every_operation(search: Search, weight_step: Cycle) -> None:
    """Forward and backward: libraries choose and compile kernels when they first see a shape."""
    counts = search.strategy.architecture.counts
    for op in range(max(counts)):
        path = plain_choices([min(op, count - 1) for count in counts])
        with patch.object(search, "_choices", lambda *_: path):  # noqa: B023
            weight_step()


if __name__ == "__main__":
    main()
