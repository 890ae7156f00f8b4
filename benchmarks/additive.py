"""An additive latency model from N measured networks of a published device, scored on all the others.

python benchmarks/additive.py --table fbnet_latency.parquet --target gold_6226 --nets 100 --json

Prints RMSE %, bias %, share within 5 % and 10 %, Spearman and Kendall as mean and standard deviation over the draws.
"""

from draws import evaluate, load, parse, show, summarise
from latency.fit.grouped import fit_grouped

REFERENCE = 1000
"""Networks of the space, whose latencies are not used, that set the units of the features."""


def main() -> None:
    arguments = parse(__doc__)
    measured, targets = load(arguments.table, arguments.target, arguments.target_file, arguments.nets)
    networks = measured.networks
    found = {}
    for name, latency_ms in targets.items():
        results = evaluate(
            networks.counts,
            latency_ms,
            lambda counts, ms: fit_grouped(counts, networks.groups, ms, reference=networks.counts[:REFERENCE]),
            arguments,
        )
        found[name] = {"additive": summarise(results)}
    show(found, arguments)


if __name__ == "__main__":
    main()
