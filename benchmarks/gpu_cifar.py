"""A small comparison on CIFAR-10: networks of equal table latency, found, random and uniform, trained alike.

python benchmarks/gpu_cifar.py --limit 20000 --batch 512 --epochs 3

The table is by multiply-accumulates: no device is measured. Where CIFAR-10 is not in shared/data, on synthetic images,
which says whether it runs, and nothing of accuracy.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from proxyless.search.config import SearchSettings
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.workflow.compare import compare
from proxyless.workflow.search import search
from tests.helpers import table_by_macs

_PLACES = [Path(__file__).parents[level] / "shared" / "data" / "cifar10" for level in (1, 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    there = [place for place in _PLACES if place.is_dir()]
    data = f"parquet:{there[0]}" if there else "synthetic:400"
    space, start = tiny_fixed(), time.monotonic()
    recipe = {"batch_size": arguments.batch, "lr": 0.4 * arguments.batch / 512, "weight_decay": 5e-4}
    with tempfile.TemporaryDirectory() as folder:
        run, out = Path(folder) / "run", Path(folder) / "compared"
        settings = SearchSettings.make(
            "benchmark", limit=arguments.limit, warmup_epochs=1, epochs=arguments.epochs, held_out=0.4, **recipe
        )
        search(space, data, table_by_macs(space), "50%", run, settings)
        searched_s = time.monotonic() - start
        training = TrainSettings.make("benchmark", epochs=arguments.epochs, warmup_epochs=0, **recipe)
        document = compare(run, out, training, seeds=1, nets=2)
    rows = {row["row"]: round(row["mean"], 4) for row in document["rows"]}
    facts = {**vars(arguments), "data": data, "searched_s": round(searched_s, 1)}
    print(json.dumps({**facts, "seconds": round(time.monotonic() - start, 1), "test_accuracy": rows}))


if __name__ == "__main__":
    main()
