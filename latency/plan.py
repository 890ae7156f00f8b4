"""What to measure: every layer that the space can ask for, and whole networks that span its range."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latency.devices import Visit
from latency.runtimes import Runtime
from latency.timing import make_schedule
from latency.writers.graph import lower, random_weights
from proxyless.space import LayerSpec, Space, layer_cost
from proxyless.space.factors import Factor, cheapest_path, dearest_path, space_factors


def spanning_networks(space: Space, count: int, seed: int) -> list[tuple[str, ...]]:
    """Distinct networks: the smallest, the largest and random ones of all sizes between.

    Uniformly random networks all have about the same latency; a fit needs a spread.
    """
    _, macs = space_factors(space, lambda spec: layer_cost(spec).macs)
    smallest, largest = cheapest_path(macs, space.sizes), dearest_path(macs, space.sizes)
    ranked = [_ranked(macs, decision, largest) for decision in range(len(space.sizes))]
    rng = random.Random(seed)  # noqa: S311
    networks = dict.fromkeys([space.path_ops(smallest), space.path_ops(largest)])
    while len(networks) < min(count, space.size):
        level = rng.random()
        networks[space.path_ops([_pick(choices, level, rng) for choices in ranked])] = None
    return list(networks)[:count]


def _ranked(macs: Sequence[Factor], decision: int, path: Sequence[int]) -> list[int]:
    """The choices of a decision by the multiply-accumulates that they make, the others being those of the path."""
    costs = sum(factor.choices(decision, path) for factor in macs if decision in factor.scope)
    return [int(choice) for choice in np.argsort(costs, kind="stable")]


def _pick(ranked: list[int], level: float, rng: random.Random) -> int:
    return rng.choice(ranked) if rng.random() < 0.5 else ranked[round(level * (len(ranked) - 1))]


@dataclass(frozen=True)
class Plan:
    """Everything that a profile measures.

    layers: item id to layer. networks: item id to operations.
    """

    space: Space
    layers: dict[str, LayerSpec]
    networks: dict[str, tuple[str, ...]]
    rounds: int
    seed: int

    @property
    def schedule(self) -> tuple[Visit, ...]:
        return make_schedule([*self.layers, *self.networks], self.rounds, self.seed)

    def write_models(self, runtime: Runtime, batch: int, folder: Path, dtype: str = "float32") -> dict[str, Path]:
        """Write the model file of every item; returns them by item id."""
        write = runtime.writer_of(dtype)
        chains = {item: [spec] for item, spec in self.layers.items()}
        chains |= {item: self.space.network(ops) for item, ops in self.networks.items()}
        files: dict[str, Path] = {}
        for number, (item, chain) in enumerate(chains.items()):
            files[item] = folder / f"{number}{runtime.suffix}"
            write(lower(chain, random_weights(), batch), files[item])
        return files


def make_plan(space: Space, calibrate: int, rounds: int, seed: int, *, networks_only: bool = False) -> Plan:
    """Plan a profile with `calibrate` whole networks, each item measured once per round."""
    layers = {} if networks_only else {str(spec): spec for spec in space.specs()}
    chosen = spanning_networks(space, calibrate, seed) if calibrate else []
    networks = {"network " + " ".join(ops): ops for ops in chosen}
    return Plan(space, layers, networks, rounds, seed)
