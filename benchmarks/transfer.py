"""A new device from N measured networks, all other columns of a published table known, scored on the other networks.

python benchmarks/transfer.py --table fbnet_latency.parquet --target gold_6226 --nets 10 --json

Prints RMSE %, bias %, share within 5 % and 10 %, Spearman and Kendall as mean and standard deviation over the draws,
for the method that the tool uses (`transfer`) and the simple ones that it must not fall behind.
"""

from functools import partial

import numpy as np

from draws import evaluate, load, parse, show, summarise
from latency.fit.grouped import Array, LinearModel
from latency.fit.methods import SIMPLE, Known, Method
from latency.fit.transfer import fit_transfer

REFERENCE = 1000
_LEVELS = (0.2, 5.0)


def fit_relative(counts: Array, latency_ms: Array) -> LinearModel:
    """A known device's additive model from all its networks: least squares on relative errors, hardly penalised."""
    mean_ms, centre = float(latency_ms.mean()), counts.mean(axis=0)
    target, centred = latency_ms / mean_ms, counts - centre
    level, values = np.clip(target, *_LEVELS), np.zeros(counts.shape[1] + 1)
    penalty = np.diag(np.append(0.0, np.ones(counts.shape[1])))
    for _ in range(2):
        rows = np.hstack([np.ones((len(target), 1)), centred]) / level[:, None]
        values = np.linalg.solve(rows.T @ rows + penalty, rows.T @ (target / level))
        level = np.clip(values[0] + centred @ values[1:], *_LEVELS)
    constant_ms = mean_ms * float(values[0] - centre @ values[1:])
    return LinearModel(constant_ms, mean_ms * values[1:])


def _known(counts: Array, latency_ms: Array) -> Array:
    measured = np.isfinite(latency_ms)
    return fit_relative(counts[measured], latency_ms[measured]).column_ms


def _transfer(counts: Array, latency_ms: Array, known: Known) -> LinearModel:
    return fit_transfer(counts, latency_ms, known).model


def _apply(method: Method, known: Known, counts: Array, latency_ms: Array) -> LinearModel:
    return method(counts, latency_ms, known)


def main() -> None:
    arguments = parse(__doc__)
    measured, targets = load(arguments.table, arguments.target, arguments.target_file, arguments.nets)
    networks = measured.networks
    columns = {name: _known(networks.counts, ms) for name, ms in measured.devices.items()}
    found = {}
    for name, latency_ms in targets.items():
        others = [other for other in columns if other != name]
        source_ms = np.stack([columns[other] for other in others], axis=1)
        mean_ms = np.array([np.nanmean(measured.devices[other]) for other in others])
        known = Known.of(source_ms, mean_ms, networks.groups, networks.counts[:REFERENCE], networks.physical)
        methods: dict[str, Method] = {"transfer": _transfer, **SIMPLE}
        found[name] = {
            label: summarise(evaluate(networks.counts, latency_ms, partial(_apply, method, known), arguments))
            for label, method in methods.items()
        }
    show(found, arguments)


if __name__ == "__main__":
    main()
