"""How much of a published device's unpredictability is its own changes of speed: rows are in order of measurement.

python benchmarks/drift.py --table fbnet_latency.parquet --target essential_ph_1,samsung_s7

An additive model is fitted to the even rows and scored on the odd ones: as it is; against measurements from which the
drift was taken out (the median residual of the 20 neighbouring rows, the row itself excluded); and so with a model
that was fitted to corrected rows, too. A diagnosis, not a predictor: it uses the neighbours' measurements.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from draws import load
from latency.drift import rolling_median
from latency.fit.accuracy import accuracy
from latency.fit.grouped import Array
from transfer import fit_relative

NEIGHBOURS = 20
ALTERNATIONS = 3


def evaluate(counts: Array, latency_ms: Array) -> dict[str, Any]:
    """Accuracy on the odd rows, three ways."""
    even, odd = np.arange(0, len(counts), 2), np.arange(1, len(counts), 2)
    plain = fit_relative(counts[even], latency_ms[even]).predict(counts)
    alternating = plain
    for _ in range(ALTERNATIONS):
        corrected = latency_ms / slowness(latency_ms, alternating)
        alternating = fit_relative(counts[even], corrected[even]).predict(counts)
    pairs = {
        "plain": (plain, latency_ms),
        "drift taken out": (plain, latency_ms / slowness(latency_ms, plain)),
        "drift taken out, fitted so too": (alternating, latency_ms / slowness(latency_ms, alternating)),
    }
    found = {name: accuracy(predicted[odd], measured[odd]) for name, (predicted, measured) in pairs.items()}
    return {
        name: {"rmse_pct": round(result.rmse_pct, 2), "spearman": round(result.spearman or 0.0, 3)}
        for name, result in found.items()
    }


def slowness(latency_ms: Array, predicted_ms: Array) -> Array:
    """How slow the device was at each row, relative to its usual speed."""
    return np.asarray(np.exp(rolling_median(np.log(latency_ms / predicted_ms), NEIGHBOURS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--target", required=True, help="column, several with commas, or 'all'")
    arguments = parser.parse_args()
    measured, targets = load(arguments.table, arguments.target)
    found = {}
    for name, latency_ms in targets.items():
        usable = np.isfinite(latency_ms)
        found[name] = evaluate(measured.networks.counts[usable], latency_ms[usable])
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
