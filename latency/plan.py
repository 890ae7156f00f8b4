"""What to measure: every layer that the space can ask for, and whole networks that span its range."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latency.design import kind_of, spread_rows
from latency.devices import Visit
from latency.runtimes import Runtime
from latency.timing import make_schedule
from latency.writers.graph import lower, random_weights
from proxyless.space import LayerSpec, Space, layer_cost
from proxyless.space.factors import Array, Factor, cheapest_path, dearest_path, space_factors


def spanning_networks(space: Space, count: int, seed: int) -> list[tuple[str, ...]]:
    """Distinct networks: the smallest, the largest and random ones of all sizes between.

    Uniformly random networks all have about the same latency; a fit needs a spread.
    """
    _, macs = space_factors(space, lambda spec: layer_cost(spec).macs)
    smallest, largest = cheapest_path(macs, space.sizes), dearest_path(macs, space.sizes)
    even = [np.full(size, 1 / size) for size in space.sizes]
    ranked = [_ranked(macs, decision, even) for decision in range(len(space.sizes))]
    rng = random.Random(seed)  # noqa: S311
    networks = dict.fromkeys(space.path_ops(space.canonical(path)) for path in (smallest, largest))
    while len(networks) < min(count, space.size):
        level = rng.random()
        path = [_pick(choices, level, rng) for choices in ranked]
        networks[space.path_ops(space.canonical(path))] = None
    return list(networks)[:count]


def _ranked(macs: Sequence[Factor], decision: int, probs: Sequence[Array]) -> list[int]:
    """The choices of a decision by the multiply-accumulates that they make, on average over the other decisions."""
    costs = sum(factor.choices(decision, probs) for factor in macs if decision in factor.scope)
    return [int(choice) for choice in np.argsort(costs, kind="stable")]


def _pick(ranked: list[int], level: float, rng: random.Random) -> int:
    return rng.choice(ranked) if rng.random() < 0.5 else ranked[round(level * (len(ranked) - 1))]


FIRST_ROWS, ROWS_PER_KIND = 120, 5
"""Of a design, at least; then so many as it takes."""
DESIGNED_FROM = 300
"""Rows of a space above which measuring all of them is no longer the default."""
_LINKS = 10
"""Rows that every later pass measures again, to be compared with the first."""


@dataclass(frozen=True)
class Plan:
    """Everything that a profile measures.

    layers: item id to layer. networks: item id to operations. passes: the items of each pass, in order; what a later
    pass measures was chosen by what the earlier ones found, and some rows of the first are measured again with it.
    """

    space: Space
    layers: dict[str, LayerSpec]
    networks: dict[str, tuple[str, ...]]
    rounds: int
    seed: int
    passes: tuple[tuple[str, ...], ...]

    @property
    def schedule(self) -> tuple[Visit, ...]:
        return tuple(
            visit
            for number, items in enumerate(self.passes)
            for visit in make_schedule(items, self.rounds, self.seed, number)
        )

    def extended(self, items: Collection[str]) -> "Plan":
        """With a further pass, of these layers by their ids and those that link it to the first one."""
        layers = self.layers | {str(spec): spec for spec in self.space.specs() if str(spec) in items}
        first = [item for item in self.passes[0] if item in self.layers]
        links = first[:: max(1, len(first) // _LINKS)][:_LINKS]
        return replace(self, layers=layers, passes=(*self.passes, (*links, *items)))

    def write_models(
        self, runtime: Runtime, batch: int, folder: Path, dtype: str = "float32", done: Collection[Visit] = ()
    ) -> dict[str, Path]:
        """Write the model file of every item that has visits which are not done; returns them by item id."""
        write, done = runtime.writer_of(dtype), set(done)
        files: dict[str, Path] = {}
        for item in dict.fromkeys(item for number, item in self.schedule if (number, item) not in done):
            files[item] = folder / f"{len(files)}{runtime.suffix}"
            write(lower(self._chain(item), random_weights(), batch), files[item])
        return files

    def _chain(self, item: str) -> list[LayerSpec]:
        return [self.layers[item]] if item in self.layers else self.space.network(self.networks[item])


def make_plan(
    space: Space, calibrate: int, rounds: int, seed: int, *, networks_only: bool = False, designed: bool = False
) -> Plan:
    """Plan a profile with `calibrate` whole networks, each item measured once per round.

    designed: only a part of the layers, spread over all kinds and sizes.
    """
    specs = [] if networks_only else space.specs()
    if designed:
        count = max(FIRST_ROWS, ROWS_PER_KIND * len(set(map(kind_of, specs))))
        specs = spread_rows(specs, count, space.fixed)
    layers = {str(spec): spec for spec in specs}
    chosen = spanning_networks(space, calibrate, seed) if calibrate else []
    networks = {"network " + " ".join(ops): ops for ops in chosen}
    return Plan(space, layers, networks, rounds, seed, ((*layers, *networks),))
