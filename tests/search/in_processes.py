"""Small searches and a training, in this process or, started by torchrun, in several: for test_processes.py.

python -m tests.search.in_processes FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import torch

from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.space import tiny
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
    common: dict[str, Any] = {"warmup_epochs": 1, "epochs": 1, "batch_size": 16, "lr": 0.02, "device": "cpu"}
    settings = SearchSettings.make("test", **{**common, **CASES[name]})
    run = Search(Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, 0.5),)), settings)
    # Blocks that start as the identity have next to no gradients, and Adam would magnify what is rounding there.
    torch.manual_seed(0)
    randomise(run.supernet)
    run.run(folder / f"{name}.checkpoint")
    result = {"log_probs": run.log_probs(), "path": run.derive(), "history": run.history}
    save_checkpoint(folder / f"{name}.pt", {**result, "supernet": run.supernet.state_dict()})


def train(folder: Path) -> None:
    network = architecture("k3e3 skip k3e3 skip skip k3e3 skip skip k3e3", tiny(resolution=16, num_classes=2))
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
