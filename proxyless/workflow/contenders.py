"""The networks that a comparison trains: the found one, uniform ones of the same latency, and random ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from latency.devices import Device
from latency.table import LatencyTable
from proxyless.config import changed_fields
from proxyless.errors import InputError
from proxyless.search.domain import BoundedDomain
from proxyless.search.result import Limits, SearchResult, load_result
from proxyless.search.run import load_config
from proxyless.seeds import stream_seed
from proxyless.space import Architecture, network_cost
from proxyless.space.bounds import Bound
from proxyless.space.memory import peak_bytes
from proxyless.workflow.derive import budget_bounds, derive_networks, first_table
from proxyless.workflow.measure import can_measure, measuring_devices
from proxyless.workflow.search import make_bounds, numbered
from proxyless.workflow.target import make_architecture
from proxyless.workflow.uniform import fitted, uniform_ops

Group = Literal["found", "uniform", "random"]

_NEAR = 0.95
"""Random networks use at least this share of one of the bounds, both less what every network costs."""

_ATTEMPTS = 20
"""Draws per random network that must be a new one."""


@dataclass(frozen=True)
class Contender:
    """A network to train. name: also its folder. measured_ms: None where the target cannot be measured here."""

    name: str
    group: Group
    architecture: Architecture
    measured_ms: float | None = None

    @property
    def number(self) -> int | None:
        """Of a network that is one of several draws; None of one that is the only one of its kind."""
        digits = self.name.removeprefix(f"{self.group}-")
        return int(digits) if digits.isdigit() else None

    def document(self) -> dict[str, Any]:
        target, cost = self.architecture.target, self.architecture.cost
        return {
            "name": self.name,
            "group": self.group,
            "width_mult": float(self.architecture.space.args.get("width_mult", 1.0)),
            "ops": self.architecture.ops,
            "predicted_ms": target.predicted_ms if target else None,
            "measured_ms": self.measured_ms,
            "params": cost.params,
            "macs": cost.macs,
        }


@dataclass(frozen=True)
class Contest:
    """What the networks must keep. table: of the target that latency is about; bounds: that on its latency first.

    device: the table's, as the user typed it, where that is not this machine. others: the same of further searches.
    """

    result: SearchResult
    found: Architecture
    table: LatencyTable
    budget_ms: float
    bounds: tuple[Bound, ...]
    others: tuple["Contest", ...] = ()
    device: str | None = None

    def predicted_contenders(self, nets: int, seed: int) -> list[Contender]:
        """The found networks, the uniform ones, and `nets` random ones, by the predictions of the table.

        Raises:
            InputError: there are at least two random networks near the budget, but not so many.
        """
        found = [Contender("found", "found", self.found)]
        if self.others:
            found = numbered_contenders("found", [each.found for each in (self, *self.others)])
        random = self.random(nets, seed, self.bounds)
        if 1 < len(random) < nets:
            raise InputError(
                f"only {len(random)} random networks were found near the budget, not {nets}; ask for fewer"
            )
        return [
            *found,
            *self._uniform(),
            *(numbered_contenders("random", random) if len(random) == nets else []),
        ]

    def place(self) -> Device | None:
        """Where networks are measured; None where that is not possible, and predictions have to do.

        Raises:
            InputError: a device that the user did not name.
        """
        if not self.device and not can_measure(self.table):
            return None
        return measuring_devices([self.table], [self.device] if self.device else [], "--measure-on")[0]

    def _uniform(self) -> list[Contender]:
        space = self.result.build_space()
        paths = {op: fitted(space, op, self.bounds) for op in uniform_ops(space)}
        return [Contender(f"uniform-{op}", "uniform", self._architecture(path)) for op, path in paths.items() if path]

    def random(self, count: int, seed: int, bounds: Sequence[Bound]) -> list[Architecture]:
        """Up to `count` distinct random networks near one of the bounds, as predicted."""
        limits = [min(bounds[0].limit, bounds[0].max_cost), *(bound.limit for bound in bounds[1:])]
        around = [replace(bound, limit=limit) for bound, limit in zip(bounds, limits, strict=True)]
        domain = BoundedDomain(around, canonical=self.result.build_space().canonical)
        rng = np.random.default_rng(stream_seed(seed, "random networks"))
        drawn: dict[tuple[int, ...], None] = {}
        for _ in range(_ATTEMPTS * count):
            path = domain.random_near(rng, _NEAR) if len(drawn) < count else None
            if path is None:
                break
            drawn[path] = None
        return [self._architecture(path) for path in drawn]

    def _architecture(self, path: Sequence[int]) -> Architecture:
        return make_architecture(self.result, self.table, self.budget_ms, self.bounds[0], path)


def numbered_contenders(group: Group, networks: Sequence[Architecture]) -> list[Contender]:
    """Several draws of one kind."""
    return [Contender(f"{group}-{number}", group, network) for number, network in enumerate(networks, 1)]


def within_limits(network: Architecture, limits: Limits) -> bool:
    """Whether a network keeps the limits on parameters, multiply-accumulates and memory."""
    cost = network_cost(network.layers)
    used = (cost.params, cost.macs, peak_bytes(network.layers))
    allowed = (limits.max_params, limits.max_macs, limits.max_memory_bytes)
    return all(limit is None or value <= limit for value, limit in zip(used, allowed, strict=True))


def open_contest(
    runs: Sequence[Path], table: LatencyTable | None, budget: str | None, device: str | None = None
) -> Contest:
    """The networks that searches of the same found, or derived from them for another table or budget, and the bounds
    that they keep.

    Raises:
        InputError: not a finished run, a budget that no network meets, or searches of different things.
    """
    _check_same_but_for_seeds(runs)
    contest, *further = [_open(run, table, budget) for run in runs]
    return replace(contest, others=tuple(further), device=device)


def _check_same_but_for_seeds(runs: Sequence[Path]) -> None:
    """Raise InputError unless all searches were asked for the same with seeds of their own."""
    configs = [load_config(run) for run in runs]
    for run, config in zip(runs[1:], configs[1:], strict=True):
        seed = configs[0].search.seed
        same_seed = config.model_copy(update={"search": config.search.model_copy(update={"seed": seed})})
        changed = changed_fields(configs[0], same_seed)
        if changed:
            raise InputError(f"{run} is a search with another {', '.join(changed)} than {runs[0]}; compare it alone")
    seed, count = Counter(config.search.seed for config in configs).most_common(1)[0]
    if count > 1:
        raise InputError(f"{count} of the searches have the same seed, {seed}; search with others, or leave some out")


def _open(run: Path, table: LatencyTable | None, budget: str | None) -> Contest:
    result = load_result(run)
    if table or budget:
        chosen = table or first_table(run)
        ((budget_ms, bounds),) = budget_bounds(result, chosen, [budget] if budget else [])
        (found,) = derive_networks(run, [budget] if budget else [], chosen)
        return Contest(result, found, chosen, budget_ms, bounds)
    budgets_ms = [target.budget_ms for target in load_config(run).targets]
    tables = [LatencyTable.load(run / numbered("table", index)) for index in range(1, len(budgets_ms) + 1)]
    bounds = make_bounds(result.build_space(), tables, budgets_ms, result.limits)
    found = make_architecture(result, tables[0], budgets_ms[0], bounds[0], result.derive(bounds))
    return Contest(result, found, tables[0], budgets_ms[0], bounds)
