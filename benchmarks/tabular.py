"""Search strategies on a published table of networks: the best accuracy found within latency budgets.

python benchmarks/tabular.py --table accelnasbench.parquet --latency zcu102_latency_ms --accuracy val_top1 \\
    --strategy all --evaluations 100 --seeds 20

Latency costs nothing to know, as from a latency table; an evaluation is one look at the accuracy, and only networks
within the budget are evaluated. Budgets are percentiles of the latency column. Regret: to the oracle, the most accurate
network of the table within the budget. With --report, also another accuracy of the network that was chosen by the
searched one. A throughput column (images per second) is turned into milliseconds per image.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from draws import refuse
from latency.fit.grouped import Array
from proxyless.search.samplers import SAMPLERS, Sampler, Trial
from published_networks import Ints
from tabular_domain import Table, TableDomain, read_table


@dataclass(frozen=True)
class Spread:
    """Over seeds."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(round(float(np.mean(values)), 4), round(float(np.std(values)), 4))

    def __str__(self) -> str:
        return f"{self.mean:7.3f} ±{self.sd:6.3f}"


@dataclass(frozen=True)
class Result:
    """reported, reported_oracle: of the column of --report, None without."""

    strategy: str
    budget_percentile: float
    budget_ms: float
    networks: int
    evaluations: int
    seeds: int
    accuracy: Spread
    oracle: float
    regret: Spread
    reported: Spread | None = None
    reported_oracle: float | None = None

    def __str__(self) -> str:
        text = (
            f"{self.strategy:10s} p{self.budget_percentile:<4g} {self.budget_ms:9.4g} ms  {self.networks:6d} networks  "
            f"accuracy {self.accuracy}  oracle {self.oracle:7.3f}  regret {self.regret}"
        )
        return text if self.reported is None else f"{text}  reported {self.reported} of {self.reported_oracle:.3f}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="parquet file with networks and their figures")
    parser.add_argument("--target-file", type=Path, help="file with more figures of the same networks, by arch_id")
    parser.add_argument("--latency", required=True, help="column of milliseconds or of throughput")
    parser.add_argument("--accuracy", required=True, help="column that is searched")
    parser.add_argument("--report", help="column that is reported of the networks chosen; default: none")
    parser.add_argument("--strategy", default="all", help=f"{', '.join(SAMPLERS)}; several with commas, or all")
    parser.add_argument("--evaluations", type=int, default=100, help="networks evaluated in a search")
    parser.add_argument("--seeds", type=int, default=20, help="searches per strategy and budget")
    parser.add_argument("--budgets", default="10,25,50,75", help="percentiles of the latency column")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.evaluations < 1 or arguments.seeds < 1:
        refuse(f"at least 1 evaluation and 1 seed are needed, got {arguments.evaluations} and {arguments.seeds}")
    return arguments


def parse_strategies(text: str) -> list[str]:
    names = list(SAMPLERS) if text == "all" else text.split(",")
    for name in names:
        if name not in SAMPLERS:
            refuse(f"no strategy {name!r}; there are {', '.join(SAMPLERS)}")
    return names


def parse_budgets(text: str) -> list[float]:
    try:
        percentiles = [float(part) for part in text.split(",")]
    except ValueError:
        refuse(f"budgets are percentiles with commas, such as 10,25,50, got {text!r}")
    if not all(0 <= percentile <= 100 for percentile in percentiles):
        refuse(f"budgets are percentiles from 0 to 100, got {text!r}")
    return percentiles


def load(arguments: argparse.Namespace) -> tuple[Table, Array, list[str]]:
    """The networks whose figures are all there, their latency in ms, and the accuracy columns."""
    try:
        table = read_table(arguments.table, arguments.target_file)
    except (OSError, ValueError) as error:  # of a damaged file pyarrow raises a ValueError
        refuse(f"the table cannot be read: {error}")
    accuracies = [name for name in (arguments.accuracy, arguments.report) if name]
    for name in (arguments.latency, *accuracies):
        if name not in table.columns:
            refuse(f"no column {name!r}; there are {', '.join(table.columns)}")
    latency_ms = table.columns[arguments.latency]
    if "throughput" in arguments.latency:
        latency_ms = 1000 / np.where(latency_ms > 0, latency_ms, np.nan)
    used = np.isfinite([latency_ms, *(table.columns[name] for name in accuracies)]).all(axis=0)
    if not used.any():
        refuse(f"no network has {arguments.latency!r} and {' and '.join(map(repr, accuracies))}")
    rows = np.flatnonzero(used)
    kept = Table([table.networks[row] for row in rows], {name: table.columns[name][rows] for name in accuracies})
    return kept, latency_ms[rows], accuracies


def search(sampler: Sampler, accuracy: dict[tuple[int, ...], float], evaluations: int, seed: int) -> Trial:
    """The best of the evaluated networks."""
    rng, trials = np.random.default_rng(seed), list[Trial]()
    while len(trials) < evaluations:
        path = sampler.propose(trials, rng)
        trials.append(Trial(path, accuracy[path]))
    return max(trials, key=lambda trial: trial.score)


def evaluate(strategy: str, table: Table, within: Ints, columns: list[str], counts: tuple[int, int]) -> dict[str, Any]:
    """Figures over seeds among the rows `within` the budget. counts: evaluations and seeds."""
    evaluations, seeds = min(counts[0], len(within)), counts[1]
    networks = [table.networks[row] for row in within]
    values = [table.columns[name][within] for name in columns]
    domain, accuracy = TableDomain(networks), dict(zip(networks, values[0].tolist(), strict=True))
    best = [search(SAMPLERS[strategy](domain), accuracy, evaluations, seed) for seed in range(seeds)]
    oracle = float(values[0].max())
    figures = {
        "networks": len(within),
        "evaluations": evaluations,
        "seeds": seeds,
        "accuracy": Spread.of([trial.score for trial in best]),
        "oracle": oracle,
        "regret": Spread.of([oracle - trial.score for trial in best]),
    }
    if len(columns) > 1:
        reported = dict(zip(networks, values[1].tolist(), strict=True))
        figures["reported"] = Spread.of([reported[trial.path] for trial in best])
        figures["reported_oracle"] = float(values[1].max())
    return figures


def main() -> None:
    arguments = parse()
    strategies, percentiles = parse_strategies(arguments.strategy), parse_budgets(arguments.budgets)
    table, latency_ms, columns = load(arguments)
    results = []
    for percentile in percentiles:
        budget_ms = float(np.percentile(latency_ms, percentile))
        within = np.flatnonzero(latency_ms <= budget_ms)
        for strategy in strategies:
            figures = evaluate(strategy, table, within, columns, (arguments.evaluations, arguments.seeds))
            results.append(Result(strategy, percentile, budget_ms, **figures))
            if not arguments.json:
                print(results[-1], flush=True)
    unit = "ms per image, from the throughput" if "throughput" in arguments.latency else "ms"
    if arguments.json:
        asked = {"latency": arguments.latency, "unit": unit, "accuracy": columns[0], "report": arguments.report}
        print(json.dumps({**asked, "results": [asdict(result) for result in results]}))
    else:
        print(f"{len(latency_ms)} networks; {arguments.latency} in {unit}")


if __name__ == "__main__":
    main()
