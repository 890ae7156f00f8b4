"""Does a search pay? Found networks beside the best that one gets without a search, at equal measured latency.

python benchmarks/pays.py --data parquet:cifar10 --runtime litert --budget 50% --limit 20000 -o pays

Profiles the space, searches with several seeds, and has `proxyless compare` train what was found, uniform networks of
all widths and random ones alike. Prints the time of each part, what every row reaches and the verdict. Whatever is
complete in the folder is not done again.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from draws import refuse
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.errors import CheckError, InputError
from proxyless.files import read_json, write_json
from proxyless.progress import Record
from proxyless.search.config import SearchSettings
from proxyless.search.result import RESULT
from proxyless.space import Space, load_space
from proxyless.train.config import TrainSettings
from proxyless.workflow import search
from proxyless.workflow.compare import compare

_SAID_EVERY_S = 30


class _Said:
    """Progress in lines, now and then."""

    def __init__(self, name: str) -> None:
        self.name, self.last = name, 0.0

    def progress(self, done: int, total: int, status: str) -> None:
        if time.monotonic() - self.last > _SAID_EVERY_S:
            self.last = time.monotonic()
            print(f"{self.name}: {done}/{total}, {status}", flush=True)

    def epoch(self, record: Record) -> None:
        pass


def make_table(space: Space, runtime: str, path: Path) -> LatencyTable:
    if not path.exists():
        return profile(space, path, ProfileSettings(runtime=runtime))
    table = LatencyTable.load(path)
    if table.runtime.name != runtime:
        raise InputError(f"{path} is of {table.runtime.name}, not {runtime}; choose another --output")
    return table


def search_all(space: Space, table: LatencyTable, arguments: argparse.Namespace, seconds: dict[str, Any]) -> list[Path]:
    """A run per seed; `seconds` gets the time of those that are not complete yet."""
    runs = []
    for seed in range(arguments.searches):
        run = arguments.output / f"run-{seed}"
        runs.append(run)
        if not (run / RESULT).exists():
            more = {"epochs": arguments.search_epochs} if arguments.search_epochs else {}
            settings = SearchSettings.make(
                "search settings",
                strategy=arguments.strategy,
                batch_size=arguments.batch_size,
                weight_decay=arguments.weight_decay,
                limit=arguments.limit,
                seed=seed,
                **more,
            )
            start = time.perf_counter()
            resume = (run / "checkpoint.pt").exists()
            search(
                space,
                arguments.data,
                table,
                arguments.budget,
                run,
                settings,
                resume=resume,
                reporter=_Said(f"search {seed}"),
            )
            seconds[run.name] = seconds.get(run.name, 0.0) + time.perf_counter() - start
            write_json(arguments.output / "seconds.json", seconds)
    return runs


def summarise(document: dict[str, Any], seconds: dict[str, Any]) -> None:
    print(f"budget {document['budget_ms']:.4g} ms, {document['data']}")
    for row in document["rows"]:
        latencies = [network["measured_ms"] for network in row["networks"]]
        spread = 0.0 if row["standard_deviation"] is None else 100 * row["standard_deviation"]
        error = "?" if row["standard_error"] is None else f"{100 * row['standard_error']:.2f}"
        print(
            f"{row['row']:>14}: {100 * row['mean']:.2f} ± {spread:.2f} % ({row['trainings']} trainings), "
            f"found minus it {100 * row['found_minus_this']:+.2f} ± {error}, {latencies}"
        )
    print(document["verdict"])
    print(json.dumps({"seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--data", required=True)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--budget", default="50%")
    parser.add_argument("--strategy", default="gradient")
    parser.add_argument("--searches", type=int, default=3)
    parser.add_argument("--search-epochs", type=int)
    parser.add_argument("--epochs", type=int, default=30, help="of every training that is compared")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--nets", type=int, default=8)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        space = load_space(arguments.space, {"num_classes": arguments.classes})
        times = arguments.output / "seconds.json"
        seconds: dict[str, Any] = read_json(times, "times") if times.exists() else {}
        arguments.output.mkdir(parents=True, exist_ok=True)
        table = make_table(space, arguments.runtime, arguments.output / "table.json")
        runs = search_all(space, table, arguments, seconds)
        recipe = TrainSettings.make(
            "training settings",
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            weight_decay=arguments.weight_decay,
            limit=arguments.limit,
        )
        start = time.perf_counter()
        document = compare(
            runs, arguments.output / "comparison", recipe, seeds=arguments.seeds, nets=arguments.nets,
            reporter=_Said("compare"),
        )  # fmt: skip
        seconds["compare"] = seconds.get("compare", 0.0) + time.perf_counter() - start
        write_json(times, seconds)
    except (InputError, CheckError) as error:
        refuse(str(error))
    summarise(document, seconds)


if __name__ == "__main__":
    main()
