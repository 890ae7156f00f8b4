"""Weight steps of one random path with compiled and with uncompiled blocks.

taskset -c 1 python benchmarks/compile_cost.py --space tiny-fixed --resolution 32 --batch 32 --steps 11

Both kinds of steps alternate; prints seconds of compilation (of this one path's blocks), the median processor time of
a step of each kind and the ratio. Processor time is that of one thread: another program on the core does not count.
"""

import argparse
import json
import random
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from proxyless.execution import Execution
from proxyless.nn import SuperNet, compile_blocks, plain_choices
from proxyless.optim import make_sgd
from proxyless.space import build_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny-fixed")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=11)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space = build_space(arguments.space, {"resolution": arguments.resolution})
    net = Execution().prepare(SuperNet(space))
    sgd = make_sgd(net, 0.01, 0.9, 4e-5)
    rng = random.Random(0)
    choices = plain_choices([rng.randrange(len(layer.choices)) for layer in space.decisions])
    images = torch.randn(arguments.batch, 3, arguments.resolution, arguments.resolution)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(arguments.batch) % space.num_classes

    def step(stance: str) -> float:
        start = time.process_time()
        with torch.compiler.set_stance(stance):
            sgd.zero_grad(set_to_none=True)
            torch.autograd.backward(cross_entropy(net(images, choices), labels))
            sgd.step()
        return time.process_time() - start

    step("force_eager")
    compile_blocks(net)
    start = time.perf_counter()
    step("default")
    compile_s = time.perf_counter() - start
    times = [(step("force_eager"), step("default")) for _ in range(arguments.steps)]
    eager_s, compiled_s = np.median(np.array(times), 0)
    report = {
        **vars(arguments),
        "torch": torch.__version__,
        "compile_s": round(compile_s, 1),
        "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"],
        "eager_ms": round(1e3 * eager_s, 1),
        "compiled_ms": round(1e3 * compiled_s, 1),
        "speed": round(eager_s / compiled_s, 3),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
