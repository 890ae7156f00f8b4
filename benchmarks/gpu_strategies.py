"""A search by every strategy, to its end, on synthetic images, and networks that are derived and ranked from it.

python benchmarks/gpu_strategies.py --epochs 2

One JSON line per strategy. A strategy that fails is a line with its error; the others run, and the exit code is 1.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from proxyless.execution import load_choice
from proxyless.search.config import SearchSettings
from proxyless.search.samplers import SAMPLERS
from proxyless.search.strategies import STRATEGIES
from proxyless.space import tiny_fixed
from proxyless.workflow.gallery import derive_gallery
from proxyless.workflow.search import search
from tests.helpers import table_by_macs

_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in STRATEGIES),
    ("gradient", {"gates": "all"}),
    ("darts", {"unrolled": True, "limit": 120}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    failed = False
    for strategy, more in _CASES:
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            try:
                found = _search(Path(folder) / "run", strategy, arguments.epochs, more)
            except Exception as error:  # is reported, whatever it is
                found, failed = {"error": f"{type(error).__name__}: {error}"[:500]}, True
            print(
                json.dumps({"strategy": strategy, **more, "seconds": round(time.monotonic() - start, 1), **found}),
                flush=True,
            )
    sys.exit(failed)


def _search(folder: Path, strategy: str, epochs: int, more: dict[str, Any]) -> dict[str, Any]:
    space = tiny_fixed(resolution=16)
    evaluations = {"evaluations": 5} if strategy in SAMPLERS else {}
    settings = SearchSettings.make(
        "benchmark", strategy=strategy, warmup_epochs=1, epochs=epochs, batch_size=32, **evaluations, **more
    )
    network = search(space, "synthetic:400", table_by_macs(space), "60%", folder, settings)
    (best, *_) = derive_gallery(folder, candidates=2)
    choice = load_choice(folder)
    return {
        "execution": str(choice.chosen) if choice else None,
        "operations": network.ops,
        "shared_loss": best.worth.loss if best.worth else None,
    }


if __name__ == "__main__":
    main()
