"""Predicted against measured latency of random networks that the table was not fitted to.

python benchmarks/latency_accuracy.py --space mobile --runtime litert --nets 10

Profiles the space, then times random networks in rounds with the table's anchors. Prints, raw and normalised by the
anchors: RMSE %, bias %, share within 5 and 10 %, Kendall's tau; and the repeatability, the RMS difference between the
same networks measured in two separate jobs in the same way.
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

from latency.calibrate import prediction_errors
from latency.deployed import Conditions, DeployedLatency, measure_files, write_networks
from latency.devices import LocalDevice
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.space import Op, Space, build_space

Networks = dict[str, tuple[Op, ...]]


def measure(networks: Networks, space: Space, table: LatencyTable) -> dict[str, DeployedLatency]:
    runtime = find_runtime(table.runtime.name)
    conditions = Conditions(
        runtime, space, table.runtime.threads, table.runtime.delegate, table.batch, tuple(table.anchors)
    )
    with tempfile.TemporaryDirectory() as folder:
        return measure_files(write_networks(networks, conditions, Path(folder)), LocalDevice(), conditions)


def evaluate(space: Space, table: LatencyTable, networks: Networks) -> dict[str, Any]:
    first, second = (measure(networks, space, table) for _ in range(2))
    predicted = [table.predict(space.network(ops)) for ops in networks.values()]
    result: dict[str, Any] = {}
    for name in ("measured_ms", "at_profiled_speed_ms"):
        once, again = (np.array([getattr(job[key], name) for key in networks]) for job in (first, second))
        errors = asdict(prediction_errors(predicted, once.tolist()))
        errors["repeatability_pct"] = float(100 * np.sqrt(np.mean((once / again - 1) ** 2)))
        result[name] = {key: round(value, 3) for key, value in errors.items()}
    result["range_ms"] = [round(float(value), 3) for value in (min(predicted), max(predicted))]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--nets", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    space, rng = build_space(arguments.space), random.Random(arguments.seed)
    networks = {f"random {index}": space.random_ops(rng) for index in range(arguments.nets)}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        settings = ProfileSettings(runtime=arguments.runtime, threads=arguments.threads)
        table = profile(space, Path(folder) / "table.json", settings)
        seconds = time.perf_counter() - start
    assert table.fit is not None
    result = {
        "space": arguments.space,
        "target": table.target,
        "machine": table.device["processor"],
        "nets": arguments.nets,
        "profile_s": round(seconds, 1),
        "machine_slowness": table.device["slowness"],
        "table_heldout_rmse_pct": round(table.fit.rmse_pct, 2),
        **evaluate(space, table, networks),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
