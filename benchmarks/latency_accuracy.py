"""Predicted against measured latency of random networks that the table was not fitted to.

python benchmarks/latency_accuracy.py --space mobile-fixed --runtime litert --nets 40

Profiles the space, then times two sets of random networks in rounds with the table's anchors: `uniform` (every
operation equally likely: all of about the same latency) and `spanning` (of all sizes). Prints, raw and normalised by
the anchors: RMSE %, bias %, share within 5 and 10 %, Spearman, Kendall; and the repeatability, the RMS difference
between the same networks measured in two separate jobs in the same way, with the rank correlation of these two: no
prediction can be better than that.
"""

import argparse
import json
import random
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from latency.deployed import DeployedLatency, measure_files, write_networks
from latency.devices import LocalDevice
from latency.fit.accuracy import accuracy
from latency.plan import spanning_networks
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.space import Space, build_space
from proxyless.workflow.measure import conditions_of

Networks = dict[str, tuple[str, ...]]


def measure(networks: Networks, space: Space, table: LatencyTable) -> dict[str, DeployedLatency]:
    conditions = conditions_of(table, space)
    with tempfile.TemporaryDirectory() as folder:
        return measure_files(write_networks(networks, conditions, Path(folder)), LocalDevice(), conditions)


def choose(space: Space, table: LatencyTable, count: int, seed: int) -> dict[str, Networks]:
    """Networks of each set, by name; none of them was used to fit the table."""
    assert table.fit is not None
    fitted = {tuple(net.ops) for net in table.fit.networks}
    rng = random.Random(seed)
    uniform = [space.random_ops(rng) for _ in range(count)]
    sets = {"uniform": uniform, "spanning": spanning_networks(space, count + 2, seed)[2:]}
    return {
        name: {f"{name} {i}": ops for i, ops in enumerate(chosen) if tuple(ops) not in fitted}
        for name, chosen in sets.items()
    }


def evaluate(space: Space, table: LatencyTable, sets: dict[str, Networks]) -> dict[str, Any]:
    everything = {key: ops for networks in sets.values() for key, ops in networks.items()}
    first, second = (measure(everything, space, table) for _ in range(2))
    result: dict[str, Any] = {}
    for name, networks in sets.items():
        predicted = np.array([table.predict(space.network(ops)) for ops in networks.values()])
        result[name] = {"nets": len(networks), "range_ms": [predicted.min().round(3), predicted.max().round(3)]}
        for figure in ("measured_ms", "at_profiled_speed_ms"):
            once, again = (np.array([getattr(job[key], figure) for key in networks]) for job in (first, second))
            errors = asdict(accuracy(predicted, once))
            repeat = asdict(accuracy(once, again))
            errors |= {f"repeat_{key}": repeat[key] for key in ("rmse_pct", "spearman", "kendall")}
            result[name][figure] = {key: round(value, 3) for key, value in errors.items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny-fixed")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--nets", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, help="use this table instead of profiling")
    arguments = parser.parse_args()
    try:
        space = build_space(arguments.space)
    except InputError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        settings = ProfileSettings(runtime=arguments.runtime, threads=arguments.threads)
        path = Path(folder) / "table.json"
        table = LatencyTable.load(arguments.table) if arguments.table else profile(space, path, settings)
        seconds = time.perf_counter() - start
    if table.fit is None or table.stability is None or not table.fit.networks:
        raise SystemExit(f"{arguments.table} does not say which networks it was fitted to; profile anew")
    result = {
        "space": arguments.space,
        "target": table.label,
        "machine": table.device.processor,
        "profile_s": round(seconds, 1),
        "stability": table.stability.model_dump(exclude={"course"}),
        "table_nets": table.fit.nets,
        "table_heldout_rmse_pct": round(table.fit.rmse_pct, 2),
        **evaluate(space, table, choose(space, table, arguments.nets, arguments.seed)),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
