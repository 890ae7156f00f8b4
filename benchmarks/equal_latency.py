"""What does a space hold at a latency? The work of its random networks beside that of uniform ones, equally fast.

python benchmarks/equal_latency.py --table table.json --budget 60% --nets 24

Random networks that are predicted to take about the budget, and uniform ones (one operation everywhere) of all widths,
are measured untrained in one session on the table's target. Of those that keep the budget it prints the work and the
milliseconds of the largest uniform network of each operation, and the work of the random ones from 95 % of it on.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.quantities import parse_budget
from proxyless.search.domain import BoundedDomain
from proxyless.search.evidence import all_of
from proxyless.search.knapsack import Knapsack
from proxyless.space import Architecture, Space
from proxyless.space.bounds import latency_bound, macs_bound
from proxyless.workflow.measure import measure_networks, measuring_devices
from proxyless.workflow.search import table_space
from proxyless.workflow.uniform import WIDTH_STEPS, scaled, uniform_ops, uniform_path

_NEAR = 0.95
_WIDEST = 60
"""Uniform networks up to three times as wide as the space."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--budget", default="60%")
    parser.add_argument("--nets", type=int, default=24)
    parser.add_argument("--width-step", type=int, default=2, help="twentieths of a width between two networks")
    arguments = parser.parse_args()
    try:
        print(json.dumps(_compared(arguments), indent=1))
    except InputError as error:
        parser.error(str(error))


def _compared(arguments: argparse.Namespace) -> dict[str, Any]:
    table = LatencyTable.load(arguments.table)
    if table.space is None:
        raise InputError(f"the latency table {arguments.table} was made for no space; profile one")
    space = table_space(table.space.name, table)
    budget_ms = parse_budget(arguments.budget, table.costs(space))
    networks = {
        **_random(space, table, budget_ms, arguments.nets),
        **_uniform(space, arguments.width_step),
        **_inside(space),
        **_largest(space, table, budget_ms),
    }
    (device,) = measuring_devices([table])
    measured_ms = measure_networks(table, space, networks, device)
    rows = {name: _figures(networks[name], ms) for name, ms in measured_ms.items() if ms <= budget_ms}
    return {"budget_ms": round(budget_ms, 4), **_summary(rows, budget_ms)}


def _random(space: Space, table: LatencyTable, budget_ms: float, count: int) -> dict[str, Architecture]:
    bound = latency_bound(table.costs(space), budget_ms)
    domain, rng = BoundedDomain([bound]), np.random.default_rng(0)
    paths = {domain.random_near(rng, _NEAR) for _ in range(4 * count)} - {None}
    chosen = sorted(path for path in paths if path is not None)[:count]
    return {f"random {number}": Architecture(space, space.path_ops(path)) for number, path in enumerate(chosen)}


def _uniform(space: Space, step: int) -> dict[str, Architecture]:
    offered = uniform_ops(space)
    widths = [width for width in WIDTH_STEPS if width <= _WIDEST][::step]
    return {f"uniform {op} x{width / 20:g}": scaled(space, op, width) for op in offered for width in widths}


def _inside(space: Space) -> dict[str, Architecture]:
    """The uniform networks that are in the space, at every width that can be chosen everywhere."""
    levels = max((len(d.choices) for d in space.decisions if d.kind == "width"), default=1)
    paths = {
        (op, level): uniform_path(space, op, level / max(1, levels - 1))
        for op in uniform_ops(space)
        for level in range(levels)
    }
    return {f"inside {op} x{level}": Architecture(space, space.path_ops(path)) for (op, level), path in paths.items()}


def _largest(space: Space, table: LatencyTable, budget_ms: float) -> dict[str, Architecture]:
    """The network of about the most multiply-accumulates that is predicted to keep the budget."""
    bounds = [latency_bound(table.costs(space), budget_ms)]
    rows = [[0.0] * size for size in space.sizes]
    path = Knapsack(rows, bounds).dearest(all_of(rows), macs_bound(space, 1e12))
    return {"largest x1": Architecture(space, space.path_ops(path))} if path else {}


def _figures(network: Architecture, ms: float) -> dict[str, Any]:
    return {"mmacs": round(network.cost.macs / 1e6, 2), "ms": round(ms, 4)}


def _summary(rows: dict[str, dict[str, Any]], budget_ms: float) -> dict[str, Any]:
    best: dict[str, str] = {}
    for name, row in rows.items():
        kind = name.rsplit(" x", 1)[0]
        if not kind.startswith("random") and (kind not in best or row["mmacs"] > rows[best[kind]]["mmacs"]):
            best[kind] = name
    drawn = [row for name, row in rows.items() if name.startswith("random") and row["ms"] >= _NEAR * budget_ms]
    random = {"networks": len(drawn)}
    if drawn:
        mmacs = [row["mmacs"] for row in drawn]
        random |= {"mmacs_median": statistics.median(mmacs), "mmacs_most": max(mmacs)}
    return {"best of each kind": {name: rows[name] for name in best.values()}, "random": random}


if __name__ == "__main__":
    main()
