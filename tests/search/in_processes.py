"""Small searches and a training, in this process or, started by torchrun, in several: for test_processes.py.

torchrun -m tests.search.in_processes FOLDER

There the commands follow, with the table in the folder: one start of the processes is enough for everything that ends
well.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from typer.testing import CliRunner

from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.cli import main as cli
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from tests.helpers import architecture, bound_at, randomise, toy_data, toy_space

CASES: dict[str, dict[str, Any]] = {
    "gradient-two": {"gates": "two"},
    "gradient-all": {"gates": "all"},
    "darts": {"strategy": "darts"},
    "darts-unrolled": {"strategy": "darts", "unrolled": True},
    "gumbel": {"strategy": "gumbel"},
    "reinforce": {"strategy": "reinforce"},
    "evolution": {"strategy": "evolution", "evaluations": 6},
}

_SPACE = toy_space()


def search(name: str, folder: Path) -> None:
    common: dict[str, Any] = {"warmup_epochs": 1, "epochs": 1, "batch_size": 8, "lr": 0.02, "device": "cpu"}
    settings = SearchSettings.make("test", **{**common, **CASES[name]})
    run = Search(Problem(_SPACE, toy_data(60, resolution=8), (bound_at(_SPACE, 0.5),)), settings)
    # Blocks that start as the identity have next to no gradients, and Adam would magnify what is rounding there.
    torch.manual_seed(0)
    randomise(run.supernet)
    run.run(folder / f"{name}.checkpoint")
    result = {"log_probs": run.log_probs(), "path": run.derive(), "history": run.history}
    save_checkpoint(folder / f"{name}.pt", {**result, "supernet": run.supernet.state_dict()})


def train(folder: Path) -> None:
    network = architecture("k3e3 skip k3e3 skip skip k3e3 skip skip k3e3", tiny_fixed(resolution=16, num_classes=2))
    settings = TrainSettings(epochs=2, warmup_epochs=1, batch_size=16, lr=0.02, validation=0.2, device="cpu")
    run = Training(network, toy_data(40), settings)  # a few steps: rounding grows with every one
    run.run(folder / "trained", folder / "train.checkpoint")
    # Of the last epoch: at chance, rounding would decide which one is the best.
    last = load_checkpoint(folder / "train.checkpoint")["network"]
    save_checkpoint(folder / "train.pt", {"history": run.history, "network": last})


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name in CASES:
        search(name, folder)
    train(folder)


def commands(folder: Path) -> None:
    """Search, resume and train; of the first two, each process tells how they ended for it. The last one ends it."""
    flags = (
        "--space tiny-fixed --data synthetic:240 --budget 60% --warmup-epochs 1 --epochs 1 --batch-size 16 --device cpu"
    )
    search = ["search", *flags.split(), "--table", str(folder / "table.json"), "-o", str(folder / "run"), "--json"]
    for name, arguments in (("search", search), ("resume", [*search, "--resume"])):
        result = CliRunner().invoke(cli.app, arguments)
        ended = {"code": result.exit_code, "stdout": result.stdout, "stderr": result.stderr}
        (folder / f"{name}-{os.environ['RANK']}.json").write_text(json.dumps(ended))
    flags = "--data synthetic:240 --epochs 2 --batch-size 16 --device cpu --json"
    train = ["train", str(folder / "run"), *flags.split(), "-o", str(folder / "trained")]
    with patch.object(sys, "argv", ["proxyless", *train]):
        cli.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    commands(Path(sys.argv[1]))
