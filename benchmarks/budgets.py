"""Do exported files keep the budgets that their networks were derived for, and use them?

python benchmarks/budgets.py --space tiny-fixed --runtime litert --budgets 10

Profiles the space, searches it briefly on random images (the search state is what matters here, not what was learnt),
derives a network for every budget between the smallest and the largest network, exports them with the command's own
exporter and weights such as a training leaves, and measures all files in one session of interleaved rounds at the
speed of the profile. Beside every budget stand the work of the network (MACs) and that of the largest uniform network,
one operation everywhere and scaled in width, whose measured latency keeps the budget as well.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from export.convert import convert_all
from export.format import ModelFile
from export.formats import find_formats
from latency.deployed import measure_files
from latency.devices import find_device
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.nn import build_network, save_weights
from proxyless.search.config import SearchSettings
from proxyless.search.samplers import SAMPLERS
from proxyless.space import Architecture, Space, build_space
from proxyless.workflow.measure import conditions_of, measure_networks
from proxyless.workflow.refine import MOST, derive_measured
from proxyless.workflow.search import search
from proxyless.workflow.shares import layer_latencies
from proxyless.workflow.uniform import WIDTH_STEPS, scaled, uniform_ops

_WIDEST = 60
"""Uniform networks up to three times as wide as the space."""

_FORMATS = {"onnxruntime": "onnx", "litert": "tflite"}


def budgets(table: LatencyTable, space: Space, count: int) -> list[float]:
    """Evenly from a little more than the smallest network to the largest."""
    costs = table.costs(space)
    low, high = 1.05 * costs.min_ms / (1 - costs.margin), costs.max_ms
    return [low + (high - low) * index / (count - 1) for index in range(count)]


def export_random(architecture: Architecture, runtime: str, path: Path) -> None:
    """Through the exporter of the runtime's format, with random weights.

    Those of normalisation are random too: the biases of a new network are zero, and the exporter of ONNX leaves them
    out, which makes a file faster than one that was trained.
    """
    torch.manual_seed(0)
    network = build_network(architecture.layers)
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert values is not None
            torch.nn.init.uniform_(values, 0.5, 1.5)
    formats = find_formats([_FORMATS[runtime]])
    with tempfile.TemporaryDirectory() as name:
        save_weights(Path(name) / "weights.safetensors", network)
        convert_all(formats, architecture, Path(name) / "weights.safetensors", Path(name))
        shutil.copy(Path(name) / ModelFile(formats[0]).file_name, path)


def evaluate(space: Space, table: LatencyTable, run: Path, arguments: argparse.Namespace, folder: Path) -> Any:
    """One row per budget."""
    rows: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    for number, budget_ms in enumerate(budgets(table, space, arguments.budgets)):
        (architecture,) = derive_measured(run, [f"{budget_ms}ms"], table)
        target = architecture.target
        assert target is not None
        shares = [layer.share for layer in layer_latencies(architecture, table)]
        rows.append(
            {
                "budget_ms": budget_ms,
                "predicted_ms": target.predicted_ms,
                "derived_ms": target.measured_ms,
                "mmacs": architecture.cost.macs / 1e6,
                "largest_share": max(shares),
                "ops": " ".join(architecture.ops),
            }
        )
        files[str(number)] = folder / f"{number}.{_FORMATS[arguments.runtime]}"
        export_random(architecture, arguments.runtime, files[str(number)])
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    measured = measure_files(files, find_device("local"), conditions_of(table, space))
    for number, row in enumerate(rows):
        row["exported_ms"] = measured[str(number)].at_profiled_speed_ms
        row["raw_ms"] = measured[str(number)].measured_ms
        row["used"] = row["exported_ms"] / row["budget_ms"]
    return rows


def uniform(space: Space, table: LatencyTable) -> list[tuple[float, int, str]]:
    """Measured milliseconds, MACs and name of uniform networks at all widths that differ; all in one session."""
    networks: dict[str, Architecture] = {}
    for op in uniform_ops(space):
        for step in range(WIDTH_STEPS[0], _WIDEST + 1):
            network = scaled(space, op, step)
            if all(network.layers != other.layers for other in networks.values()):
                networks[f"{op} x{step / 20:g}"] = network
    measured_ms = measure_networks(table, space, networks, find_device("local"))
    return [(measured_ms[name], network.cost.macs, name) for name, network in networks.items()]


def with_uniform(rows: list[dict[str, Any]], known: list[tuple[float, int, str]]) -> None:
    """The largest of the known networks that keeps each budget with as much to spare as the derived one must."""
    for row in rows:
        fitting = [(macs, ms, name) for ms, macs, name in known if ms <= MOST * row["budget_ms"]]
        macs, ms, name = max(fitting, default=(0, 0.0, "none"))
        row |= {"uniform": name, "uniform_ms": ms, "uniform_mmacs": macs / 1e6}


def refused(run: Path, table: LatencyTable, space: Space) -> str:
    """What is said of a budget that no network meets."""
    try:
        derive_measured(run, [f"{0.9 * table.costs(space).min_ms}ms"], table)
    except InputError as error:
        return str(error)
    raise AssertionError("a budget below the smallest network was not refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny-fixed")
    parser.add_argument("--runtime", default="litert", choices=list(_FORMATS))
    parser.add_argument("--budgets", type=int, default=10)
    parser.add_argument("--strategy", default="gradient")
    parser.add_argument("--rounds", type=int, default=40, help="of the profile; more where the machine is busy")
    parser.add_argument("--table", type=Path, help="use this table instead of profiling")
    arguments = parser.parse_args()
    space = build_space(arguments.space, {"num_classes": 10})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ProfileSettings(runtime=arguments.runtime, rounds=arguments.rounds)
        path = folder / "table.json"
        table = LatencyTable.load(arguments.table) if arguments.table else profile(space, path, settings)
        costs = table.costs(space)
        short = SearchSettings.make(
            "search settings",
            strategy=arguments.strategy,
            warmup_epochs=0,
            epochs=1,
            batch_size=8,
            limit=120,
            evaluations=20 if arguments.strategy in SAMPLERS else None,
            halving=False,
            device="cpu",
        )
        middle = f"{(costs.min_ms + costs.max_ms) / 2}ms"
        search(space, "synthetic:120", table, middle, folder / "run", short)
        start = time.perf_counter()
        rows = evaluate(space, table, folder / "run", arguments, folder)
        seconds = time.perf_counter() - start
        with_uniform(rows, uniform(space, table))
        refusal = refused(folder / "run", table, space)
    result = {
        "space": arguments.space,
        "target": table.label,
        "machine": table.device.processor,
        "margin": round(costs.margin, 4),
        "range_ms": [round(costs.min_ms, 4), round(costs.max_ms, 4)],
        "derive_and_export_s": round(seconds, 1),
        "rows": [
            {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()} for row in rows
        ],
        "within": sum(row["exported_ms"] <= row["budget_ms"] for row in rows),
        "used_95": sum(row["used"] >= 0.95 for row in rows),
        "of": len(rows),
        "infeasible": refusal,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
