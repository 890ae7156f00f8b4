"""Time and memory of supernet steps relative to the plain network on the same path.

python benchmarks/step_cost.py --space mobile-fixed --resolution 64 --batch 16 --rounds 12

Every round draws a random path and runs each kind of step once on it, in a random order; prints medians of the
ratios to the plain network's step in the same round. `paper` is the paper's loop written plainly
(benchmarks/paper_loop.py), whose architecture step computes all candidates; it knows no widths, depths and resolutions.
Memory is what the forward pass saves for the backward pass (distinct storages, weights left out: a part of a weight
would count as all of it).
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from paper_loop import PaperLoop
from proxyless.errors import InputError
from proxyless.execution import Execution
from proxyless.nn import SharedWeights, SuperNet, build_network, plain_choices
from proxyless.nn.supernet import resized
from proxyless.optim import make_sgd
from proxyless.search.architecture import ArchitectureLogits, ExpectedCosts
from proxyless.search.config import SearchSettings
from proxyless.search.domain import BoundedDomain
from proxyless.search.objectives.constrained import Constrained
from proxyless.search.strategies.base import Setting, StepInputs
from proxyless.search.strategies.gradient import GradientStrategy
from proxyless.space import Space, build_space
from proxyless.space.bounds import Bound

Step = Callable[[], object]


class FixedPath(GradientStrategy):
    """The gradient strategy on a path that the benchmark chooses."""

    path: list[int]

    def _draw(self, generator: torch.Generator) -> list[int]:
        pairs = zip(self.path, self.architecture.counts, self.architecture.gated, strict=True)
        every = self.settings.gates == "all"
        self.compared = [
            list(range(count)) if every or not gated or count == 1 else sorted([op, (op + 1) % count])
            for op, count, gated in pairs
        ]
        return list(self.path)


class PaperOnPath(PaperLoop):
    """The paper's loop on a path that the benchmark chooses."""

    path: list[int]

    def _sample(self, for_gates: bool) -> None:
        for edge, op in zip(self.edges, self.path, strict=True):
            edge.gates.requires_grad_(for_gates)
            edge.activate(op)


def make_strategy(space: Space, gates: str) -> FixedPath:
    costs = [[1.0] * size for size in space.sizes]
    bounds = (Bound.of_rows("latency", "ms", 1.0, costs, 10.0 * len(costs)),)
    settings = SearchSettings.make("benchmark", gates=gates)
    architecture, expected = ArchitectureLogits(space, 0), ExpectedCosts(bounds)
    domain = BoundedDomain(bounds)
    return FixedPath(Setting(architecture, expected, Constrained(bounds), settings.own, 1e-3, domain))


def weight_step(
    model: nn.Module, sgd: torch.optim.Optimizer, labels: Tensor, *inputs: Any, shared: SharedWeights | None = None
) -> Step:
    """inputs: images, and for a supernet its choices. shared: what lends it weights, as in a warm-up."""

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        if shared:
            shared.lend(inputs[1])
        torch.autograd.backward(cross_entropy(model(*inputs), labels))
        if shared:
            shared.collect(inputs[1])
        sgd.step()

    return step


def saved_bytes(step: Step, weights: set[int]) -> int:
    """weights: where their storages are."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        held.append(tensor)
        return tensor

    held: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return sum(storages.values())


class Contenders:
    """All kinds of steps, on the same images."""

    def __init__(self, space: Space, batch: int) -> None:
        self.space, self.batch = space, batch
        self.net = Execution().prepare(SuperNet(space))
        self.shared = SharedWeights(self.net.layers)
        self.sgd = make_sgd(self.net, 0.01, 0.9, 4e-5)
        self.strategies = {gates: make_strategy(space, gates) for gates in ("two", "all")}
        plain = all(self.strategies["two"].architecture.gated)
        self.paper = PaperOnPath(space, torch.device("cpu")) if plain else None
        self.plain_images = torch.randn(batch, 3, space.resolution, space.resolution)
        self.images = self.plain_images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(batch) % space.num_classes

    @property
    def weights(self) -> set[int]:
        """Where the storages of the weights are."""
        models = [self.net, self.plain, *([self.paper.net] if self.paper else [])]
        return {p.untyped_storage().data_ptr() for model in models for p in model.parameters()}

    def steps(self, ops: tuple[str, ...]) -> dict[str, Step]:
        """On the path of the operations."""
        layers = self.space.network(ops)
        path, plain = self.space.ops_path(ops), Execution().prepare(build_network(layers))
        images = resized(self.images, layers[0].in_shape[0])
        self.plain = plain
        if self.paper:
            self.paper.path = path
        for strategy in self.strategies.values():
            strategy.path = path
        return {
            "plain": weight_step(plain, make_sgd(plain, 0.01, 0.9, 4e-5), self.labels, images),
            "weight": weight_step(self.net, self.sgd, self.labels, self.images, plain_choices(path)),
            "weight, warm-up": weight_step(
                self.net, self.sgd, self.labels, self.images, plain_choices(path), shared=self.shared
            ),
            **(
                {
                    "paper, weight": partial(self.paper.weight_step, self.plain_images, self.labels),
                    "paper, architecture": partial(self.paper.architecture_step, self.plain_images, self.labels),
                }
                if self.paper
                else {}
            ),
            **{
                f"architecture, {gates}": architecture_step(strategy, self.net, self.images, self.labels)
                for gates, strategy in self.strategies.items()
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mobile-fixed")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    try:
        space = build_space(arguments.space, {"resolution": arguments.resolution})
    except InputError as error:
        parser.error(str(error))
    torch.manual_seed(0)
    rng = random.Random(0)
    contenders = Contenders(space, arguments.batch)
    times: dict[str, list[float]] = {}
    memory: dict[str, list[int]] = {}
    for number in range(arguments.rounds + 1):
        steps = contenders.steps(space.random_ops(rng))
        steps["plain"]()  # the plain network is new in every round: allocate before timing
        for name in rng.sample(list(steps), len(steps)):
            start = time.perf_counter()
            steps[name]()
            if number > 0:
                times.setdefault(name, []).append(time.perf_counter() - start)
        for name, step in steps.items():
            memory.setdefault(name, []).append(saved_bytes(step, contenders.weights))
    report(arguments, times, memory)


def architecture_step(strategy: FixedPath, net: SuperNet, images: Tensor, labels: Tensor) -> Step:
    batch = (images, labels)
    inputs = StepInputs(
        net, batch, batch, list(net.parameters()), 0.01, 0.5, torch.Generator().manual_seed(0), lambda tensor: tensor
    )

    def step() -> None:
        strategy.step(inputs)

    return step


def report(arguments: argparse.Namespace, times: dict[str, list[float]], memory: dict[str, list[int]]) -> None:
    plain_s, plain_bytes = np.array(times["plain"]), np.array(memory["plain"])
    result = {
        "space": arguments.space,
        "resolution": arguments.resolution,
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "plain_ms": round(1e3 * float(np.median(plain_s)), 1),
        "time_ratio": {k: round(float(np.median(np.array(v) / plain_s)), 3) for k, v in times.items()},
        "memory_ratio": {k: round(float(np.median(np.array(v) / plain_bytes)), 3) for k, v in memory.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
