"""What the benchmarks on published measurements share: their arguments, random draws of networks, and the printing."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from latency.fit.accuracy import accuracy
from latency.fit.grouped import Array, LinearModel
from published_networks import Measured, load_columns, load_measured

Predict = Callable[[Array, Array], LinearModel]
"""From the counts and milliseconds of the measured networks."""


def parse(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--table", type=Path, required=True, help="parquet file with the networks and the known devices"
    )
    parser.add_argument("--target-file", type=Path, help="file with the target column, by arch_id; default: --table")
    parser.add_argument("--target", required=True, help="column, several with commas, or 'all'")
    parser.add_argument("--nets", type=int, required=True, help="networks measured on the target")
    parser.add_argument("--draws", type=int, default=10, help="random draws of these networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.nets < 5 or arguments.draws < 1:
        refuse(f"at least 5 networks and 1 draw are needed, got --nets {arguments.nets} --draws {arguments.draws}")
    return arguments


def refuse(problem: str) -> NoReturn:
    """One sentence, and the exit code of wrong input."""
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


def load(table: Path, target: str, target_file: Path | None = None, nets: int = 0) -> tuple[Measured, dict[str, Array]]:
    """The table, and the target columns by name, each with more networks than `nets`."""
    try:
        measured = load_measured(table)
        columns = measured.devices
        if target_file is not None:
            columns = load_columns(target_file, measured.arch_ids)
    except (OSError, ValueError) as error:  # of a damaged file pyarrow raises a ValueError
        refuse(f"the measurements cannot be read: {error}")
    return measured, {name: columns[name] for name in choose(columns, target, nets)}


def choose(columns: Mapping[str, Array], target: str, nets: int) -> list[str]:
    """The columns that `--target` names, each with more networks than are drawn."""
    names = list(columns) if target == "all" else target.split(",")
    for name in names:
        if name not in columns:
            refuse(f"no column {name!r}; there are {', '.join(columns)}")
        if np.isfinite(columns[name]).sum() <= nets:
            refuse(f"column {name!r} has {np.isfinite(columns[name]).sum()} measured networks; draw fewer than that")
    return names


def evaluate(counts: Array, latency_ms: Array, predict: Predict, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Accuracy on all networks that were not drawn, per draw."""
    usable = np.flatnonzero(np.isfinite(latency_ms))
    results = []
    for draw in range(arguments.draws):
        order = np.random.default_rng([arguments.seed, draw]).permutation(usable)
        train, test = order[: arguments.nets], order[arguments.nets :]
        model = predict(counts[train], latency_ms[train])
        results.append(asdict(accuracy(model.predict(counts[test]), latency_ms[test])))
    return results


def summarise(results: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over draws, by figure."""
    figures = {}
    for key in results[0]:
        values = [result[key] if result[key] is not None else 0.0 for result in results]
        figures[key] = {"mean": round(float(np.mean(values)), 4), "sd": round(float(np.std(values)), 4)}
    return figures


def show(found: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print the figures of each target: those of its first method, and of the others for comparison."""
    if len(found) > 1:
        found["mean of all"] = _mean(list(found.values()))
    if arguments.json:
        documents = [_document(name, methods, arguments) for name, methods in found.items()]
        print(json.dumps(documents[0] if len(documents) == 1 else documents))
        return
    for name, methods in found.items():
        for method, figures in methods.items():
            text = "  ".join(f"{key} {value['mean']:.3f} ±{value['sd']:.3f}" for key, value in figures.items())
            print(f"{name:16s} {method:12s} {text}")


def _document(name: str, methods: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    method, *others = methods
    document = {"target": name, "nets": arguments.nets, "draws": arguments.draws, "seed": arguments.seed}
    return document | {"method": method, **methods[method], "compared": {other: methods[other] for other in others}}


def _mean(figures: list[Any]) -> Any:
    if isinstance(figures[0], dict):
        return {key: _mean([entry[key] for entry in figures]) for key in figures[0]}
    return round(float(np.mean(figures)), 4)
