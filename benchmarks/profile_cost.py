"""What a profile of a large space costs, and what its table is worth.

python benchmarks/profile_cost.py --space mobile --space-arg NAME=VALUE --runtime litert --rows designed

Profiles the space, then times, in rounds with the table's anchors, random networks that the table was not fitted to and
a random choice of the rows that were predicted. Prints: seconds, rows measured and predicted; the errors that the table
itself expects; the networks' errors (normalised by the anchors, and raw) and the share that is not slower than
predicted by more than the margin; the predicted rows' errors against measuring them.
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from latency.deployed import DeployedLatency, measure_files, write_networks
from latency.devices import LocalDevice
from latency.fit.accuracy import accuracy
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from latency.writers.graph import lower, random_weights
from proxyless.cli.options import space_arguments
from proxyless.errors import InputError
from proxyless.space import LayerSpec, Space, load_space
from proxyless.workflow.measure import conditions_of

Networks = dict[str, tuple[str, ...]]


def measure(
    space: Space, table: LatencyTable, networks: Networks, rows: dict[str, LayerSpec]
) -> dict[str, DeployedLatency]:
    """The networks and the single layers, in the same rounds."""
    runtime = find_runtime(table.runtime.name)
    conditions = conditions_of(table, space)
    with tempfile.TemporaryDirectory() as name:
        files = write_networks(networks, conditions, Path(name))
        for key, spec in rows.items():
            files[key] = Path(name) / f"{key}{runtime.suffix}"
            runtime.writer_of(table.dtype)(lower([spec], random_weights(), table.batch), files[key])
        return measure_files(files, LocalDevice(), conditions)


def evaluate(space: Space, table: LatencyTable, nets: int, rows: int, seed: int) -> dict[str, Any]:
    """Errors of fresh networks and of predicted rows."""
    rng = random.Random(seed)
    networks = {f"network {index}": tuple(space.random_ops(rng)) for index in range(nets)}
    unmeasured = [row for row in [*table.fixed, *table.rows] if row.source == "predicted"]
    chosen = {f"row {index}": row for index, row in enumerate(rng.sample(unmeasured, min(rows, len(unmeasured))))}
    found = measure(space, table, networks, {key: row.spec for key, row in chosen.items()})
    predicted = np.array([table.predict(space.network(ops)) for ops in networks.values()])
    measured = np.array([found[key].at_profiled_speed_ms for key in networks])
    raw = accuracy(predicted, [found[key].measured_ms for key in networks])
    result: dict[str, Any] = {
        "range_ms": [round(float(value), 3) for value in (measured.min(), measured.max())],
        "networks": vars(accuracy(predicted, measured)),
        "networks_raw_rmse_pct": raw.rmse_pct,
        "within_margin": float(np.mean(measured <= predicted * (1 + table.margin))),
        "slowness": next(iter(found.values())).slowness,
    }
    if chosen:
        before_ms = [row.measured_ms or row.ms for row in chosen.values()]
        result["predicted_rows"] = vars(accuracy(before_ms, [found[key].at_profiled_speed_ms for key in chosen]))
    return result


def describe(space: Space, table: LatencyTable, seconds: float) -> dict[str, Any]:
    """What the profile did, and what the table says of itself."""
    assert table.fit is not None and table.stability is not None
    sources = Counter(row.source for row in [*table.fixed, *table.rows])
    return {
        "space": {"name": space.name, "args": dict(space.args), "networks": f"{space.size:.1e}"},
        "target": table.label,
        "machine": table.device.processor,
        "profile_s": round(seconds, 1),
        "rows": dict(sources),
        "heldout_rmse_pct": table.fit.rmse_pct,
        "repeatability_pct": table.fit.repeatability_pct,
        "prediction": table.prediction.model_dump() if table.prediction is not None else None,
        "margin_pct": 100 * table.margin,
    }


def run(space: Space, settings: ProfileSettings, nets: int = 40, rows: int = 30, seed: int = 1) -> dict[str, Any]:
    """Profile the space and judge its table."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = profile(space, Path(folder) / "table.json", settings)
        seconds = time.perf_counter() - start
    return {**describe(space, table, seconds), **evaluate(space, table, nets, rows, seed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--space-arg", action="append", default=[], metavar="NAME=VALUE", help="in YAML; repeatable")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--rows", choices=("designed", "all"), default="designed")
    parser.add_argument("--nets", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = ProfileSettings(runtime=arguments.runtime, rows=arguments.rows)
    try:
        space = load_space(arguments.space, space_arguments(further=arguments.space_arg))
        result = run(space, settings, arguments.nets, seed=arguments.seed)
    except InputError as error:
        parser.error(str(error))
    print(json.dumps(result, indent=1, default=float))


if __name__ == "__main__":
    main()
